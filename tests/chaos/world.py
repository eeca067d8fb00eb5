"""The whole system as processes, and what each kind of fault does to it."""

from __future__ import annotations

import math
import random
import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.chaos.audit import Life, Listed
from tests.chaos.clock import Setting
from tests.chaos.schedule import Fault
from tests.support.influx_front import TOKEN, InfluxFront
from tests.support.link import Link
from tests.support.power_cut import PowerCut
from tests.support.services import SPARE_S, Influxd, Service, eventually
from tests.support.stack import Counter, Program, Settings, Stack
from tests.support.wall_clock import WallClock

NODE = "gw-1"
DATABASE = "frostline"
FOREVER_MS = 9e18
_BUSY_S = 10.0 + SPARE_S
_PRELOAD = "LD_PRELOAD"
_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
_SINCE_1970_MS = 20_000
_SPARED = {"gateway": ("clock",), "cloud": ("cloud.log",)}
"""What a power cut leaves alone: the one holds for one start of the machine, which stays on here; the other is ours."""
_REFUSAL = (503, '{"code":"unavailable","message":"the store is away"}')

# What is seconds in production is less here, so that a fault of seconds is as long as an outage; nothing is left out.
_UPLINK = "keepalive_s = 5\nbacklog_messages_per_s = 400"
_SPOOL = "[spool]\nflush_s = 0.5\n[clock]\nwait_s = 0\n"
_INGEST = "offline_after_s = 2\nonline_after_s = 1"


class World:
    """Broker, cloud, InfluxDB behind a front that misbehaves, one gateway, and the device that counts.

    Attributes:
        stack: Broker, cloud and gateway.
        counter: The device; it and its broker are the one part that nothing happens to.
        lives: Of the gateway.
        settings: Of the clock of the gateway's machine.
        falls: Processes of ours that ended by themselves, with the end of what they printed. A cloud that starts while
            SQL is locked may end, and a gateway that starts while no file may grow: they say so, and whoever
            supervises them starts them again.
    """

    def __init__(self, folder: Path, every_s: float, ingests: int = 1) -> None:
        for name in ("influxd", "stack"):
            (folder / name).mkdir(parents=True)
        self.influxd = Influxd(folder / "influxd")
        self.front = InfluxFront(self.influxd.url)
        store = (
            f'kind = "influxdb2"\nurl = "{self.front.url}"\ndatabase = "{DATABASE}"\norg = "o"\n'
            f'token = "${{file:{folder / "token"}}}"\ntimeout_s = 2'
        )
        (folder / "token").write_text(TOKEN, encoding="utf-8")
        (folder / "token").chmod(0o600)
        self.wall = WallClock(folder)
        stack = folder / "stack"
        self.power = {
            "gateway": PowerCut(stack / NODE, folder / "power-1"),
            "cloud": PowerCut(stack, folder / "power-2"),
        }
        environment = _together(self.wall.environment, self.power["gateway"].environment)
        command = "run" if ingests == 1 else "serve"
        settings = Settings(store, _INGEST, "keepalive_s = 5", command, links=True, environment=environment)
        self.stack = Stack(stack, settings=settings)
        self.stack.cloud = Program("cloud", self.stack.cloud.arguments, stack, self.power["cloud"].environment)
        self.counter = Counter(folder / "field", every_s)
        self.lives: list[Life] = []
        self.falls: list[str] = []
        self.settings: list[Setting] = []
        self._stop = ExitStack()
        self._down: set[str] = set()
        self._sql: sqlite3.Connection | None = None
        self._excused_s: dict[str, float] = {}  # until when a fall is no fault; monotonic

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.enter_context(self.influxd)
            self.influxd.create_database(DATABASE)
            started.enter_context(self.front)
            started.enter_context(self.stack)
            if self.stack.ingests:
                self.stack.add_ingest("ingest-2")
            started.enter_context(self.counter)
            self.stack.add_gateway(NODE, _SPOOL + self.counter.driver, _UPLINK)
            self.lives.append(Life(_now_ms(), FOREVER_MS))
            eventually(lambda: self.stack.born(NODE))
            self._stop = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.__exit__(kind, error, trace)

    # ---- faults
    def begin(self, fault: Fault) -> None:
        """A fault starts."""
        if fault.kind in ("kill", "power_cut"):
            self._kill(fault.target)
            if fault.kind == "power_cut":
                self._switch_off(fault)
        else:
            self._apply(fault, on=True)

    def end(self, fault: Fault) -> None:
        """A fault is over; a process that was killed is started again."""
        if fault.kind in ("kill", "power_cut"):
            self._start(fault.target)
        else:
            self._apply(fault, on=False)

    def supervise(self) -> None:
        """Starts again what ended by itself, as systemd would, and notes it."""
        for name, program in self._ours.items():
            if name not in self._down and not program.running:
                if time.monotonic() > self._excused_s.get(name, 0.0):
                    self.falls.append(f"{name} ended by itself:\n{program.text()[-1500:]}")
                self._kill(name)
                self._start(name)

    @property
    def _ours(self) -> dict[str, Program]:
        """Who may be killed; of two ingests the API's process goes on."""
        ingests = self.stack.ingests or [self.stack.cloud]
        return {"gateway": self.gateway, **dict(zip(("cloud", "standby"), ingests, strict=False))}

    @property
    def gateway(self) -> Program:
        """The gateway's process."""
        return self.stack.gateways[NODE]

    def _kill(self, target: str) -> None:
        self._down.add(target)
        self._process(target).kill()
        if target == "gateway":
            self.lives[-1] = Life(self.lives[-1].began_ms, _now_ms())

    def _switch_off(self, fault: Fault) -> None:
        """The machine of a process that has just been killed had its power cut."""
        if fault.target == "cloud":
            if self.stack.ingests:
                return  # the other one is on that machine, and lives
            self._lock(False)  # whoever held SQL was on that machine as well
        dice = random.Random(fault.for_s)  # noqa: S311 - a test's dice
        self.power[fault.target].cut(dice, _SPARED[fault.target])

    def _start(self, target: str) -> None:
        if target == "gateway":
            self.lives.append(Life(_now_ms(), FOREVER_MS))
        self._process(target).start()
        self._down.discard(target)

    def _process(self, target: str) -> Program | Service:
        services: dict[str, Service] = {"broker": self.stack.broker, "store": self.influxd}
        return services.get(target) or self._ours[target]

    def _apply(self, fault: Fault, *, on: bool) -> None:
        if fault.target.endswith("_link"):
            link: Link = getattr(self.stack, fault.target)
            _spoil(link, fault, on=on)
            return
        if fault.target == "clock":
            self._set_clock(fault, on)
            return
        effects: dict[str, Callable[[bool], None]] = {
            "store_refuses": lambda on: setattr(self.front, "answer", _REFUSAL if on else None),
            "store_hangs": self._hang,
            "store_forgets": lambda on: setattr(self.front, "forgets", on),
            "store_halves": lambda on: setattr(self.front, "halves", on),
            "sql_locked": self._lock,
            "disk_full": self._fill,
        }
        effects[fault.kind](on)

    def _hang(self, on: bool) -> None:
        if on:
            self.front.delay = threading.Event()
        elif self.front.delay is not None:
            self.front.delay.set()
            self.front.delay = None

    def _lock(self, on: bool) -> None:
        self._excuse("cloud", on)
        self._excuse("standby", on)
        if on:
            self._sql = sqlite3.connect(self.sql_path, isolation_level=None, timeout=5)
            try:
                self._sql.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return  # in use for so long: then nobody needs us to lock it
        elif self._sql is not None:
            self._sql.close()
            self._sql = None

    def _fill(self, on: bool) -> None:
        """No file of the gateway may grow: what a full disk is to it."""
        self._excuse("gateway", on)
        if self.gateway.running:
            limit = (4096, resource.RLIM_INFINITY) if on else _UNLIMITED
            resource.prlimit(self.gateway.pid, resource.RLIMIT_FSIZE, limit)

    def _set_clock(self, fault: Fault, on: bool) -> None:
        """Sets it off, and right again; a machine that has lost the time has just started, and its gateway with it."""
        step_ms = round(fault.strength * 1000) * (-1 if fault.kind == "clock_back" else 1) if on else 0
        lost = on and fault.kind == "no_clock"
        if lost:
            self.wall.set_to(_SINCE_1970_MS)
        else:
            self.wall.set_off(step_ms)
        self.settings.append(Setting(_now_ms(), step_ms, lost))
        if lost and "gateway" not in self._down:
            self._kill("gateway")
            self._start("gateway")

    def _excuse(self, name: str, on: bool) -> None:
        self._excused_s[name] = math.inf if on else time.monotonic() + _BUSY_S

    # ---- afterwards
    def settled(self) -> bool:
        """Whether the gateway holds nothing, and the cloud's account has come to rest."""
        self.supervise()
        try:
            gateway = self.stack.status(NODE)["account"]
            return gateway is not None and gateway["pending"] == 0 and gateway["committed"] == self._ruled()
        except (httpx.HTTPError, KeyError):
            return False

    def account(self) -> dict[str, Any]:
        """What gateway and cloud say of themselves."""
        return {"gateway": self.stack.status(NODE)["account"], "cloud": self.stack.account(NODE)}

    def stored(self) -> list[tuple[int, float]]:
        """Every point of the device in the store: instant and number."""
        query = {"db": DATABASE, "epoch": "ms", "q": 'SELECT "n" FROM "counter"'}
        answer = httpx.get(f"{self.influxd.url}/query", params=query, timeout=60).raise_for_status().json()
        return [(int(at), float(n)) for s in answer["results"][0].get("series", ()) for at, n in s["values"]]

    def losses(self) -> list[Listed]:
        """The list of losses."""
        with closing(sqlite3.connect(self.sql_path)) as sql:
            rows = sql.execute("SELECT reason, samples, from_ms, to_ms FROM loss ORDER BY id").fetchall()
        return [Listed(*row) for row in rows]

    @property
    def sql_path(self) -> Path:
        """The cloud's SQLite file."""
        return self.stack.folder / "frostline.db"

    def _ruled(self) -> int:
        account = self.stack.account(NODE)
        return account["written"] + account["dead_lettered"]


def _spoil(link: Link, fault: Fault, *, on: bool) -> None:
    match fault.kind:
        case "reset":
            if on:
                link.reset()
        case "half_open":
            if on:
                link.abandon()
        case "black_hole":
            link.black_hole(on)
        case "refuse":
            link.refuse(on)
        case "latency":
            link.latency(fault.strength if on else 0.0)
        case "bandwidth":
            link.bandwidth(fault.strength if on else None)


def _together(one: Mapping[str, str], other: Mapping[str, str]) -> Mapping[str, str]:
    """Two libraries in front of the C library."""
    return {**one, **other, _PRELOAD: f"{one[_PRELOAD]}:{other[_PRELOAD]}"}


def _now_ms() -> float:
    return time.time() * 1000
