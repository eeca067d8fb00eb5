"""Random histories of one node, its disks, a bad network and a database, over the classes that ship.

Invariants:
I1 every measurement that was durable in a spool is evaluated once, or listed as lost with a reason; never both or twice
I2 a gateway deletes nothing that is not durably committed (the budget leaves a gap row)
I3 numbers of a run in order; a series forward in time in the live rules; events in order across runs
I4 bounded queue, cursor, windows, spool
I5 when faults stop, everything drains in bounded rounds and messages
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable

from frostline_core.commit import (
    RESTORED,
    Commit,
    GatewayCommit,
    GatewayLimits,
    Row,
    Send,
    WindowLimits,
    pack_batch,
    pack_commits,
    pack_runs,
    unpack_batch,
    unpack_commits,
)
from frostline_core.reading import Stream
from tests.unit.core.commit.ingest_model import QUEUE_MAX, Birth, Database, Ingest, Measurement, Message, Sql
from tests.unit.core.commit.memory_rows import Disk, Item, MemoryDisk

WINDOW, BROKER_MAX, BUDGET, RUNS_MAX = 4, 10, 24, 6
LIMITS = GatewayLimits(window=WindowLimits(first=2, most=WINDOW), runs=RUNS_MAX, backlog_per_s=0)
STEPS = (
    ["append"] * 8 + ["sync"] * 7 + ["send"] * 24 + ["up"] * 24 + ["down"] * 10 + ["begin"] * 9 + ["finish"] * 9
    + ["timer"] * 3 + ["session"] * 2 + ["cut"] * 2
    + ["kill", "kill_host", "state", "second_host", "image", "restore", "clone", "replace", "sql_image", "sql_restore"]
)  # fmt: skip
RARE = {"restore", "clone", "replace", "sql_restore"}

MakeDisk = Callable[[int, random.Random], Disk]
MakeCommit = type[GatewayCommit]


class Violation(AssertionError):  # noqa: N818  # it is no error of the program
    """An invariant does not hold."""


class Gateway:
    """One gateway process on its disk; what was not synced dies with it."""

    def __init__(self, disk: Disk, rng: random.Random, utc_ms: int, commit: MakeCommit) -> None:
        self.disk, self.rng, self.make = disk, rng, commit
        self.start(utc_ms)

    def start(self, utc_ms: int) -> None:
        self.rows = self.disk.open()
        self.commit = self.make(self.rows, self.rng.random, utc_ms, LIMITS)
        self.unsynced: list[Item] = []

    def sync(self) -> dict[int, tuple[int, int]]:
        """Makes durable what waits; the place of each measurement that is on the disk now."""
        self.rows.append(self.unsynced)
        self.unsynced = []
        return {Measurement.unpack(row.payload).uid: (row.run, row.n) for row in self.rows.held_rows() if not row.gap}

    def birth(self) -> Birth:
        return Birth(pack_runs(self.commit.announcement()))


class World:
    """One node id. Every random choice comes from the seed."""

    def __init__(
        self,
        seed: int,
        make_disk: MakeDisk | None = None,
        ingest: type[Ingest] = Ingest,
        commit: MakeCommit = GatewayCommit,
        audit: bool = True,
    ) -> None:
        self.rng = random.Random(seed)  # noqa: S311  # a test's dice
        self.make_disk = make_disk or (lambda spool, rng: MemoryDisk(spool, BUDGET, rng))
        self.make_ingest, self.make_commit, self.audit = ingest, commit, audit
        self.now = 1_000_000
        self.db = Database()
        self.hosts = [ingest(self.db)]
        disk = self.make_disk(self.rng.randrange(1, 1 << 32), self.rng)
        self.gateways = [Gateway(disk, self.rng, self.now, commit)]
        self.up: list[deque[Message | Birth]] = [deque()]  # one FIFO a session; old sessions may still trickle
        self.down: deque[bytes] = deque()
        self.online, self.uid, self.messages, self.faults = True, 0, 0, Counter[str]()
        self.where: dict[int, tuple[int, int]] = {}  # uid -> (run, n), once durable in a spool
        self.destroyed: set[int] = set()  # uids on a disk that no longer exists
        self.ever: set[int] = set()  # uids evaluated by some SQL state that was durable
        self.ever_lost: set[tuple[int, int]] = set()
        self.ever_committed: Counter[int] = Counter()
        self.image = self.gateways[0].disk.image()
        self.sql_image, self.rolled_back = Sql(), set[int]()
        self.allowed = set(self.rng.sample([*sorted(RARE), "drop", "crash"], self.rng.randint(0, 6)))
        self.session(self.gateways[0])

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            raise Violation(what)

    def run(self) -> Counter[str]:
        for _ in range(self.rng.randint(40, 300)):
            self.step(self.rng.choice(STEPS))
        self.drain()
        lost_disk = RARE & set(self.faults)
        return self.faults + Counter({"messages": self.messages, "histories": 1, "whole": 0 if lost_disk else 1})

    def step(self, kind: str) -> None:
        self.now += self.rng.choice((1, 5, 300))
        if kind in RARE:
            if kind not in self.allowed or self.rng.random() < 0.6:
                return
            self.faults[kind] += 1
        getattr(self, f"do_{kind}")(self.rng.choice(self.gateways), self.rng.choice(self.hosts))

    # ---- the gateway's side
    def do_append(self, gw: Gateway, _: Ingest) -> None:
        for _n in range(self.rng.choice((1, 1, 1, 1, 6))):
            self.uid += 1
            stream = self.rng.choice((Stream.EVENTS, Stream.SAMPLES, Stream.SAMPLES))
            measured = Measurement(self.uid, self.rng.randrange(3), self.uid, self.rng.random() < 0.01)
            gw.unsynced.append(Item(stream, measured.pack(), self.now))

    def do_sync(self, gw: Gateway, _: Ingest) -> None:
        self.where |= gw.sync()
        held = gw.rows.held_rows()
        self.check(sum(not row.gap for row in held) <= BUDGET, "I4 spool budget")

    def do_send(self, gw: Gateway, _: Ingest) -> None:
        send = gw.commit.next(self.now, self.now) if self.online else None
        if send is not None:
            self.check(unpack_batch(pack_batch(send.mark)) == send.mark, "codec")
            self.put(self.message(send))
        self.check(sum(lane.in_flight for lane in gw.commit.lanes().values()) <= 3 * WINDOW, "I4 window")

    def do_timer(self, gw: Gateway, _: Ingest) -> None:
        self.now += self.rng.choice((2_000, 8_000, 80_000))
        gw.commit.tick(self.now)

    def do_cut(self, gw: Gateway, _: Ingest) -> None:
        """An outage: what waits in live grows old."""
        self.now += self.rng.choice((10_000, 31_000))

    def do_session(self, gw: Gateway, _: Ingest) -> None:
        self.session(gw)

    def do_kill(self, gw: Gateway, _: Ingest) -> None:
        gw.start(self.now)
        self.session(gw)

    def do_image(self, gw: Gateway, _: Ingest) -> None:
        self.image = gw.disk.image()

    def do_clone(self, _gw: Gateway, _: Ingest) -> None:
        if len(self.gateways) < 2:
            self.gateways.append(Gateway(self.image.image(), self.rng, self.now, self.make_commit))
            self.session(self.gateways[-1])

    def do_restore(self, gw: Gateway, _: Ingest) -> None:
        self.exchange(gw, self.image.image())

    def do_replace(self, gw: Gateway, _: Ingest) -> None:
        spool = gw.rows.spool_id + self.rng.randrange(1, 1 << 15)
        self.exchange(gw, self.make_disk(spool, self.rng))

    def exchange(self, gw: Gateway, disk: Disk) -> None:
        base = {held.run: held.base for held in gw.rows.runs()}
        self.destroyed |= {uid for uid, (run, n) in self.where.items() if run in base and n >= base[run]}
        gw.disk = disk
        gw.start(self.now)
        self.session(gw)

    def session(self, gw: Gateway) -> None:
        """Reconnect or rebirth: births first, then everything unconfirmed again, same numbers."""
        self.up = [*self.up, deque[Message | Birth]()][-4:]
        gw.commit.session_ended()
        self.put(gw.birth())
        gw.commit.session_started(self.now, self.now)

    def message(self, send: Send) -> Message:
        return Message(pack_batch(send.mark), send.row.payload, send.row.reason)

    # ---- the network
    def put(self, message: Message | Birth) -> None:
        self.messages += 1
        if len(self.up[-1]) < BROKER_MAX:  # else: the broker's queue limit
            self.up[-1].append(message)

    def do_up(self, _gw: Gateway, _: Ingest) -> None:
        waiting = [session for session in self.up if session]
        if not waiting:
            return
        session = self.rng.choice(waiting)
        message, fate = session.popleft(), self.rng.random() if "drop" in self.allowed else 1.0
        if fate < 0.05:
            session.append(message)  # duplicate, late
        if not 0.05 < fate < 0.15:
            self.receive(message)

    def do_down(self, _gw: Gateway, _: Ingest) -> None:
        if not self.down:
            return
        raw = self.down.popleft()
        for gw in self.gateways:
            if "drop" not in self.allowed or self.rng.random() > 0.1:
                self.answer(gw, raw)

    def answer(self, gw: Gateway, raw: bytes) -> None:
        before = gw.rows.held_rows()
        for commit in unpack_commits(raw):
            gw.commit.on_commit(commit, self.now)
        after = {(row.run, row.n) for row in gw.rows.held_rows()}
        self.check(all(self.durable(row) for row in before if (row.run, row.n) not in after), "I2 deleted uncommitted")

    def durable(self, row: Row) -> bool:
        if row.gap:
            return row.n <= self.ever_committed[row.run]
        return Measurement.unpack(row.payload).uid in self.ever or (row.run, row.n) in self.ever_lost

    def do_state(self, _gw: Gateway, _: Ingest) -> None:
        self.online = not self.online

    # ---- the host's side
    def receive(self, message: Message | Birth) -> None:
        for host in self.hosts:
            self.reply(host.receive(message, self.now))
            self.check(host.commit.queued <= QUEUE_MAX, "I4 host memory")

    def reply(self, commits: list[Commit]) -> None:
        for i in range(0, len(commits), 8):
            self.down.append(pack_commits(commits[i : i + 8]))

    def do_begin(self, _gw: Gateway, host: Ingest) -> None:
        if not host.commit.flushing:
            host.begin()

    def do_finish(self, _gw: Gateway, host: Ingest) -> None:
        if not host.commit.flushing:
            return
        crash = self.rng.choice((0, 0, 0, 1, 2)) if "crash" in self.allowed else 0
        fails = "crash" in self.allowed and self.rng.random() < 0.15
        if crash == 1:  # killed after the store write
            self.kill(host)
            return
        commits = host.finish(fails, self.now)
        self.after_sql()
        if crash == 2:  # killed after the SQL transaction
            self.kill(host)
        else:
            self.reply(commits)

    def do_kill_host(self, _gw: Gateway, host: Ingest) -> None:
        self.kill(host)

    def kill(self, host: Ingest) -> None:
        self.hosts = [self.make_ingest(self.db) if each is host else each for each in self.hosts]

    def do_second_host(self, _gw: Gateway, host: Ingest) -> None:
        self.hosts = [host] if len(self.hosts) > 1 else [host, self.make_ingest(self.db)]

    def do_sql_image(self, _gw: Gateway, _: Ingest) -> None:
        self.sql_image = self.db.sql.copy()

    def do_sql_restore(self, _gw: Gateway, _: Ingest) -> None:
        self.rolled_back |= set(self.db.sql.effects) - set(self.sql_image.effects)
        self.rolled_back |= {uid for uid, place in self.where.items() if place in self.ever_lost}
        self.db.sql = self.sql_image.copy()
        self.hosts = [self.make_ingest(self.db)]  # whoever restores SQL stops every ingest first

    # ---- the checker
    def after_sql(self) -> None:
        sql = self.db.sql
        listed = [(run, n) for run, first, last, _ in sql.lost for n in range(first, last + 1)]
        as_lost = set(listed)
        self.check(all(times == 1 for times in sql.effects.values()), "I1 evaluated twice")
        self.check(len(as_lost) == len(listed), "I1 listed twice")
        self.check(not any((mark.run, mark.n) in as_lost for mark, _ in sql.log), "I1 evaluated and listed as lost")
        count = Counter(run for run, _ in listed) + Counter(mark.run for mark, _ in sql.log)
        balanced = all(count[run] == n for run, n in sql.committed.items())
        self.check(balanced or not self.audit, "I1 account: applied + lost == committed")
        self.ever |= set(sql.effects)
        self.ever_lost |= as_lost
        for run, _, last, reason in sql.lost:
            invented = "sql_restore" not in self.faults or last > self.ever_committed[run]
            self.check(reason != RESTORED or not invented, "I1 invented loss")
        for run, n in sql.committed.items():
            self.ever_committed[run] = max(n, self.ever_committed[run])
        self.check_order(sql)

    def check_order(self, sql: Sql) -> None:
        newest: dict[tuple[str, int], int] = {}
        steps = [(("run", mark.run), mark.n) for mark, _ in sql.log] + [(("series", s), t) for s, t in sql.live]
        for key, value in steps:
            self.check(value > newest.get(key, 0), "I3 order in a run, or of a series in live")
            newest[key] = value
        if not self.faults:
            events = [uid for mark, uid in sql.log if mark.stream is Stream.EVENTS]
            self.check(events == sorted(events), "I3 order of events across runs")

    def drain(self) -> None:
        """Faults stop. A bounded number of rounds and messages later every measurement is accounted for."""
        self.online, self.allowed, before = True, set(), self.messages
        self.up, self.down = [deque()], deque()
        for host in self.hosts:
            if host.commit.flushing:
                self.reply(host.finish(False, self.now))
                self.after_sql()
        self.hosts = self.hosts[:1]
        for gw in self.gateways:
            self.where |= gw.sync()
            self.session(gw)
        rows = sum(len(gw.rows.held_rows()) for gw in self.gateways)
        base = [{held.run: (held.base, held.last) for held in gw.rows.runs()} for gw in self.gateways]
        held = {
            uid
            for uid, (run, n) in self.where.items()
            if any(run in runs and runs[run][0] <= n <= runs[run][1] for runs in base)
        }
        for _ in range(2 * rows + 6):
            self.round()
        left = sum(len(gw.rows.held_rows()) for gw in self.gateways)
        self.check(left == 0, f"I5 stuck with {left} rows")
        self.check(self.messages - before <= 3 * WINDOW * (2 * rows + 6), "I5 too many messages")
        self.account(held)

    def round(self) -> None:
        for gw in self.gateways:
            while (send := gw.commit.next(self.now, self.now)) is not None:
                self.put(self.message(send))
        while self.up[-1]:
            self.receive(self.up[-1].popleft())
        self.hosts[0].begin()
        self.reply(self.hosts[0].finish(False, self.now))
        self.after_sql()
        for raw in self.down:
            for gw in self.gateways:
                self.answer(gw, raw)
        self.down.clear()
        self.now += 80_000  # longer than any resend timer
        for gw in self.gateways:
            gw.commit.tick(self.now)

    def account(self, held: set[int]) -> None:
        sql, doubt = self.db.sql, self.db.sql.doubt()
        lost = {(run, n) for run, first, last, _ in sql.lost for n in range(first, last + 1)}
        for uid, place in self.where.items():
            if uid in sql.effects or place in lost:
                self.faults["evaluated" if uid in sql.effects else "listed"] += 1
                continue
            self.check(uid not in held, "I1 was on a disk when faults stopped, and is silently gone")
            if uid in self.rolled_back:
                self.faults["listed by time: SQL restored"] += 1
                continue
            self.check(uid in self.destroyed, "I1 silently gone")
            others = {"restore", "clone", "sql_restore"} & set(self.faults)
            told = place[0] in sql.committed.keys() | sql.announced.keys()
            self.check(bool(others) or place[0] in doubt or not told, "I1 disk replaced, run known, not in doubt")
            self.faults["disk gone, run in doubt" if place[0] in doubt else "disk gone, host never heard"] += 1
