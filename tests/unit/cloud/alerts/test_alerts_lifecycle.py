"""An alert's life through SQL: a process that ends in any state, and another that goes on, change nothing of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from frostline_cloud.alerts import record
from frostline_cloud.ingest import journal
from frostline_cloud.ingest.series import DeviceKey, SeriesTable
from frostline_cloud.notify import UNADDRESSED
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import alert, alert_event, outbox
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.rules import Evaluator, RuleSet, parse
from frostline_core.sparkplug import BoundMetric, NodeView

NOW = 1_770_000_000_000
MINUTE = 60_000
KEY = DeviceKey("hamburg", "gw-1", "room-1")
RULES = RuleSet.of(
    [
        parse(
            {
                "type": "threshold",
                "id": "warm",
                "title": "W",
                "severity": "critical",
                "select": {"metric": "air_temperature"},
                "above": 8,
                "for": "10m",
                "clear_for": "10m",
                "max_gap": "10m",
            },
            "test",
        )
    ]
)
LIFE = {
    minute: value
    for minutes, value in ((range(6), 4.0), (range(6, 26), 9.0), (range(26, 51), 4.0), (range(76, 81), 4.0))
    for minute in minutes
}
"""Value by minute: pending from 6, firing from 16, clearing from 26, resolved at 36; nothing from 51 to 75: unknown."""
END = 80
STATES = {"ok": 3, "pending": 10, "firing": 20, "clearing": 30, "ok again": 40, "unknown": 70}


@dataclass(slots=True)
class Process:
    """What one process of the cloud has in memory; SQL outlives it."""

    engine: Engine
    evaluator: Evaluator = field(init=False)
    table: SeriesTable = field(init=False)

    def __post_init__(self) -> None:
        self.evaluator = Evaluator(RULES.rules)
        self.table = SeriesTable(self.evaluator)
        metric = MetricDescription("air_temperature", DataType.DOUBLE, "Cel")
        view = NodeView(*KEY[:2])
        view.by_name = {(KEY.device, metric.name): BoundMetric(KEY.device, metric, 0)}
        with self.engine.connect() as connection:
            states = journal.all_rule_states(connection).get(KEY, {})
            raw = connection.exec_driver_sql("SELECT clock FROM series_clock WHERE device = 'room-1'").scalar()
        self.table.bind(view, DeviceDescription(KEY.device, "cold_room", "", (metric,)), {}, {})
        if states or raw:
            self.evaluator = self.table.renew({KEY: states}, {KEY: raw or b""})

    def see(self, minute: int) -> None:
        """The clock, then the sample of that minute where there is one, then a flush."""
        self.evaluator.advance(NOW + minute * MINUTE)
        self.take(minute)
        self.flush(minute)

    def take(self, minute: int) -> None:
        """A sample, without a flush."""
        if minute in LIFE:
            self.evaluator.observe(0, LIFE[minute], NOW + minute * MINUTE)

    def flush(self, minute: int) -> None:
        """One transaction with everything, as ingest has it."""
        staged = self.evaluator.staged()
        with self.engine.begin() as connection:
            journal.save_rule_states(connection, staged.states, NOW + minute * MINUTE)
            journal.save_clocks(connection, [(KEY, self.table.clock(KEY))])
            record(connection, staged.transitions, RULES, [UNADDRESSED], NOW + minute * MINUTE)
        self.evaluator.settle()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'frostline.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


def told(engine: Engine) -> dict[str, Any]:
    """The incidents, their timelines and what is told, as far as it does not depend on when it was noted."""
    times = (alert.c.state, alert.c.opened_ms, alert.c.fired_ms, alert.c.resolved_ms, alert.c.retroactive)
    with engine.connect() as connection:
        return {
            "alerts": [tuple(row) for row in connection.execute(select(*times))],
            "steps": [
                (row.before, row.after, (row.at_ms - NOW) / MINUTE)
                for row in connection.execute(select(alert_event).order_by(alert_event.c.id))
            ],
            "news": [row.type for row in connection.execute(select(outbox).order_by(outbox.c.revision))],
        }


def lived(engine: Engine, ends: Sequence[int] = ()) -> dict[str, Any]:
    """The whole life, with another process after each of these minutes."""
    process = Process(engine)
    for minute in range(END + 1):
        process.see(minute)
        if minute in ends:
            process = Process(engine)
    return told(engine)


AS_IT_IS = {
    "alerts": [("resolved", NOW + 6 * MINUTE, NOW + 16 * MINUTE, NOW + 36 * MINUTE, False)],
    "steps": [
        ("ok", "pending", 6.0),
        ("pending", "firing", 16.0),
        ("firing", "clearing", 26.0),
        ("clearing", "resolved", 36.0),
    ],
    "news": ["alert.firing", "alert.resolved"],
}


def test_one_process_sees_one_incident(engine: Engine) -> None:
    assert lived(engine) == AS_IT_IS


@pytest.mark.parametrize("state", STATES)
def test_a_restart_in_any_state_goes_on_with_its_timers(engine: Engine, state: str) -> None:
    assert lived(engine, [STATES[state]]) == AS_IT_IS


def test_a_restart_each_minute_changes_nothing(engine: Engine) -> None:
    assert lived(engine, range(END)) == AS_IT_IS


@pytest.mark.parametrize(("down", "up"), [(3, 9), (10, 14), (8, 20), (20, 31), (22, 40), (28, 40), (5, 60)])
def test_what_came_while_nobody_ran_is_told_with_its_own_times(engine: Engine, down: int, up: int) -> None:
    """Gateways keep the samples meanwhile, and send them when the process is there."""
    process = Process(engine)
    for minute in range(down + 1):
        process.see(minute)
    process = Process(engine)
    process.evaluator.advance(NOW + up * MINUTE)
    for minute in range(down + 1, up + 1):
        process.take(minute)
    process.flush(up)
    for minute in range(up + 1, END + 1):
        process.see(minute)

    found = told(engine)

    assert found["steps"] == AS_IT_IS["steps"]
    assert found["news"] == AS_IT_IS["news"]


def test_an_incident_that_lasts_stays_one_through_a_silence_and_a_restart_in_it(engine: Engine) -> None:
    process = Process(engine)
    for minute in range(21):
        process.see(minute)
    for minute in range(21, 41):  # the clock goes on, nothing comes
        process.evaluator.advance(NOW + minute * MINUTE)
        process.flush(minute)
    process = Process(engine)
    for minute in range(41, 61):
        process.evaluator.advance(NOW + minute * MINUTE)
        process.flush(minute)

    with engine.connect() as connection:
        (row,) = connection.execute(select(alert)).all()

    assert row.state == "firing"
    assert row.evidence["no_data_since_ms"] == NOW + (20 + 10) * MINUTE + 1  # its last value is taken to last max_gap
    assert row.evidence["unit"] == "Cel"
