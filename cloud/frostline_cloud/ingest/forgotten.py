"""What a restored SQL has forgotten and is yet to be ruled from the store: one row for each device, in SQL.

A row says how far the rules are with the device's stored samples, and what they knew then. It goes on in the same
transaction as the incidents that were found: so a restart goes on where it was, and nothing is found twice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, delete, select, update

from frostline_cloud.ingest import journal
from frostline_cloud.ingest.clocks import read as read_clocks
from frostline_cloud.ingest.series import DeviceKey, metric_hash, read_clock
from frostline_cloud.rules.playback import Known
from frostline_cloud.sql.tables import device, node, setting
from frostline_cloud.sql.upsert import upsert
from frostline_core.rules import NEVER, OPEN, Phase
from frostline_core.rules.ledger import HOLES

MOST_MS: Final = 31 * 86_400_000
"""So much of a device's time is ruled at most, the newest; what is older stays listed as lost, not ruled."""

STUCK_MS: Final = 3_600_000
"""What is not ruled after so long is said by `frostline cloud check`."""

_APART_MS: Final = 3_600_000  # the series of one device that says anything are no further apart
_PREFIX: Final = "forgotten/"

Name = tuple[str, str]
"""A rule's id, and the metric."""


@dataclass(slots=True)
class Span:
    """What is forgotten of one device, and how far the rules are.

    Attributes:
        site: Of the device.
        node: Of the device.
        device: Its id; "" for what the gateway itself measures.
        first_ms: Event time at which the span begins.
        reached_ms: Samples before that are ruled.
        goal_ms: The end of the span, exclusive: nothing new opens then.
        states: Metric to what rules know of it, at `reached_ms`.
        clock: Event time of each metric's newest sample that was ruled, by `metric_hash` as text.
        inherited: Rules with an alert that was open before the span, and has been since: it is the live incident.
        open: Rules with a retroactive incident that was found here and is not over.
    """

    site: str
    node: str
    device: str
    first_ms: int
    reached_ms: int
    goal_ms: int
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    clock: dict[str, int] = field(default_factory=dict)
    inherited: set[Name] = field(default_factory=set)
    open: set[Name] = field(default_factory=set)

    @property
    def key(self) -> str:
        """Of its row."""
        return _PREFIX + sha256(f"{self.site}/{self.node}/{self.device}".encode()).hexdigest()[:32]

    @property
    def is_over(self) -> bool:
        """Whether the end is reached; what is still open is followed."""
        return self.reached_ms >= self.goal_ms

    def known(self, metric: str, rules: set[str]) -> Known:
        """What rules know of a metric; of those rules only, until the first part is ruled."""
        states = {
            name: state
            for name, state in self.states.get(metric, {}).items()
            if name != HOLES and (name.startswith("~") or name in rules or (name, metric) in self.open)
        }
        return Known(states, self.clock.get(str(metric_hash(metric)), NEVER))

    def keep(self, metric: str, known: Known) -> None:
        """Keeps what rules have come to know."""
        self.states[metric] = {name: dict(state) for name, state in known.states.items() if name != HOLES}
        self.clock[str(metric_hash(metric))] = known.last_ms

    def dump(self) -> str:
        """As text for its row."""
        names = {"inherited": sorted(self.inherited), "open": sorted(self.open)}
        return orjson.dumps(asdict(self) | names).decode()

    @classmethod
    def load(cls, text: str) -> Span:
        """What `dump` wrote."""
        entry = orjson.loads(text)
        names = {name: {(rule, metric) for rule, metric in entry[name]} for name in ("inherited", "open")}
        return cls(**entry | names)


def enlist(connection: Connection, from_ms: int, to_ms: int) -> int:
    """Every device that SQL knows is to be ruled from the store; in the transaction that notices that SQL went back.

    A device that is not done with an earlier such span goes on from there, to the new end.

    Args:
        connection: In that transaction.
        from_ms: How far SQL knows.
        to_ms: The end of the span.

    Returns:
        How many devices.
    """
    states, clocks = journal.all_rule_states(connection), read_clocks(connection)
    keys = [DeviceKey(*row) for row in connection.execute(select(device.c.site, device.c.node, device.c.device))]
    keys += [DeviceKey(*row, "") for row in connection.execute(select(node.c.site, node.c.node))]
    unfinished = {key: Span.load(text) for key, text in connection.execute(_mine(setting.c.key, setting.c.value))}
    rows = []
    for key in dict.fromkeys(keys):
        clock = {metric: at_ms for metric, at_ms in read_clock(clocks.get(key, b"")).items() if at_ms != NEVER}
        span = _span(key, states.get(key, {}), clock, (from_ms, to_ms))
        if span.key in unfinished:
            span = unfinished[span.key]
            span.goal_ms = to_ms
        rows.append({"key": span.key, "value": span.dump()})
    upsert(connection, setting, rows)
    return len(rows)


def waiting(connection: Connection) -> list[str]:
    """The keys of all rows."""
    return list(connection.scalars(_mine(setting.c.key)))


def read(connection: Connection, key: str) -> str | None:
    """The text of a row; None if it is done."""
    return connection.scalar(select(setting.c.value).where(setting.c.key == key))


def is_still(connection: Connection, key: str, text: str) -> bool:
    """Whether no other process has gone on with the row; none does until the transaction ends."""
    return connection.scalar(select(setting.c.value).where(setting.c.key == key).with_for_update()) == text


def write(connection: Connection, span: Span) -> None:
    """Goes on with a row, or deletes it where nothing is left to do."""
    is_mine = setting.c.key == span.key
    if span.is_over and not span.open:
        connection.execute(delete(setting).where(is_mine))
    else:
        connection.execute(update(setting).where(is_mine).values(value=span.dump()))


def stuck(connection: Connection, now_ms: int) -> str:
    """What is not ruled though there was time, for people; "" if nothing."""
    spans = [Span.load(text) for text in connection.scalars(_mine(setting.c.value))]
    late = Counter(each.site for each in spans if not each.is_over and now_ms - each.goal_ms > STUCK_MS)
    if not late:
        return ""
    return f"SQL was restored, and what it has forgotten of {late.total()} devices is not ruled yet: is ingest running?"


def _mine(*columns: ColumnElement[Any]) -> Any:
    return select(*columns).where(setting.c.key.startswith(_PREFIX)).order_by(setting.c.key)


def _span(
    key: DeviceKey, states: dict[str, dict[str, dict[str, object]]], clock: dict[int, int], span: tuple[int, int]
) -> Span:
    from_ms, to_ms = span
    first_ms = max(max(clock.values(), default=from_ms) - _APART_MS, to_ms - MOST_MS)
    inherited = {
        (rule, metric)
        for metric, saved in states.items()
        for rule, state in saved.items()
        if state.get("phase") in OPEN - {Phase.PENDING}
    }
    times = {str(metric): at_ms for metric, at_ms in clock.items()}
    known: dict[str, dict[str, Any]] = {metric: dict(saved) for metric, saved in states.items()}
    return Span(*key, first_ms, first_ms, to_ms, known, times, inherited)
