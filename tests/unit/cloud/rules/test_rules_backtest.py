"""Rules on stored data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from frostline_cloud.rules.backtest import Event, Found, Target, backtest, read_events, score
from frostline_cloud.rules_cli import app
from frostline_cloud.store import Place, Row, Store, StoreConfig, open_store
from frostline_core.errors import ConfigError
from frostline_core.rules import Rule, parse

T = 1_767_571_200_000  # 2026-01-05T00:00:00Z
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ROOM = Place("cold_room", "hamburg", "gw-1", "room-1", "freezer-1")
END = T + 7 * DAY


def rule(**keys: Any) -> Rule:
    table = {"type": "threshold", "id": "warm", "title": "W", "above": -15.0, "select": {"metric": "air_temperature"}}
    return parse({**table, **{key.rstrip("_"): value for key, value in keys.items()}}, "test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(StoreConfig(kind="embedded", path=tmp_path / "store.duckdb"))
    yield opened
    opened.close()


def fill(store: Store, warm: dict[int, int], place: Place = ROOM, **also: dict[int, int]) -> None:
    """A week, each five minutes: -18, and -9 from hour to hour; other metrics are 1 from hour to hour."""
    rows = []
    for at in range(T, END, 5 * MINUTE):
        hour = (at - T) / HOUR
        fields: list[tuple[str, float | str]] = [
            ("air_temperature", -9.0 if any(a <= hour < b for a, b in warm.items()) else -18.0)
        ]
        fields += [(metric, float(any(a <= hour < b for a, b in spans.items()))) for metric, spans in also.items()]
        rows.append(Row(place, at, fields))
    store.write(rows)


def run(store: Store, *rules: Rule, targets: tuple[Target, ...] = (Target(ROOM),)) -> list[Found]:
    return backtest(rules, targets, store, (T, END), lambda _done: None)


def test_alerts_fire_and_end_when_they_would_have(store: Store) -> None:
    fill(store, {10: 12, 50: 51})
    (found,) = run(store, rule(for_="30m"))
    told = [((each.fired_ms - T) / HOUR, ((each.resolved_ms or 0) - T) / HOUR) for each in found.alerts]
    assert told == [(10.5, 12.0), (50.5, 51.0)]
    assert (found.series, found.samples) == (1, 7 * 288)


def test_each_rule_is_tried_alone(store: Store) -> None:
    fill(store, {10: 12})
    alone = run(store, rule())[0].alerts
    together = run(store, rule(id="cold", above=None, below=-20.0), rule())
    assert [each.alerts for each in together] == [[], alone]


def test_what_other_metrics_suppress_is_suppressed_and_counted(store: Store) -> None:
    fill(store, {10: 11, 50: 51}, defrost_active={10: 11})
    (found,) = run(store, rule(suppress_while=["defrost_active"], cap="2h"))
    assert [(each.fired_ms - T) / HOUR for each in found.alerts] == [50.0]
    assert found.suppressed_ms == HOUR


def test_an_alert_before_an_event_is_a_warning_and_one_without_is_a_false_alarm(store: Store) -> None:
    fill(store, {10: 12, 50: 51, 100: 101})
    (found,) = run(store, rule())
    events = [Event("early", T + 12 * HOUR, T + 13 * HOUR), Event("late", T + 49 * HOUR, T + 60 * HOUR)]
    scored = score(found, [*events, Event("unseen", T + 150 * HOUR, T + 151 * HOUR)], 3 * HOUR)
    assert [each.early_ms for each in scored.warned] == [2 * HOUR, -HOUR, None]
    assert scored.false_alarms == 1
    assert scored.per_week == pytest.approx(1.0, rel=0.01)


def test_an_event_of_another_device_is_not_warned_of(store: Store) -> None:
    fill(store, {10: 12})
    (found,) = run(store, rule())
    (warned,) = score(found, [Event("e", T + 11 * HOUR, T + 12 * HOUR, "hamburg/gw-1/room-2")]).warned
    assert warned.early_ms is None


def test_nothing_measured_is_no_false_alarm_rate_of_zero(store: Store) -> None:
    (found,) = run(store, rule())
    assert (found.samples, score(found, []).per_week) == (0, None)


def test_the_end_of_the_data_is_no_silence(store: Store) -> None:
    fill(store, {})
    silent = parse(
        {"type": "absence", "id": "silent", "title": "S", "max_silence": "15m", "select": {"metric": "*"}}, "test"
    )
    (found,) = backtest([silent], [Target(ROOM)], store, (T, END + 30 * DAY), lambda _done: None)
    assert found.alerts == []


def test_events_are_read_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        "from,to,label\n2026-01-05T00:00:00Z,2026-01-05T01:00:00Z,a failure\n1767571200000,1767571200001,\n"
    )
    assert read_events(path) == [Event("a failure", T, T + HOUR), Event("event 2", T, T + 1)]
    path.write_text("from,to\n2026-01-05,x\n2026-01-06T00:00:00Z,2026-01-05T00:00:00Z\n")
    with pytest.raises(ConfigError, match=r"line 2: .*\n.*line 3: ends before"):
        read_events(path)
    path.write_text("begin,end\n")
    with pytest.raises(ConfigError, match="columns"):
        read_events(path)


CLOUD = """
[broker]
url = "mqtt://127.0.0.1:1"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text(CLOUD)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.toml").write_text(
        '[[rule]]\nid = "warm"\ntype = "threshold"\ntitle = "W"\nabove = -15.0\n'
        'select = { kind = "cold_room", metric = "air_temperature" }\n'
    )
    return path


def test_the_command_tries_a_rule_of_the_config(config: Path) -> None:
    from frostline_cloud.config import load_cloud

    store = open_store(load_cloud(config).store)
    fill(store, {10: 12})
    store.close()
    events = config.parent / "events.csv"
    events.write_text("from,to,label\n2026-01-05T12:00:00Z,2026-01-05T13:00:00Z,thawed\n")
    options = ["-c", str(config), "--device", "hamburg/gw-1/room-1", "--kind", "cold_room", "--events", str(events)]
    times = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-02-01T00:00:00Z"]

    shown = CliRunner().invoke(app, ["backtest", "warm", *options, *times, "--json"], catch_exceptions=False)

    (found,) = json.loads(shown.stdout)["rules"]
    assert [each["fired_ms"] for each in found["alerts"]] == [T + 10 * HOUR]
    assert [each["early_ms"] for each in found["events"]] == [2 * HOUR]
    text = CliRunner().invoke(app, ["backtest", "warm", *options, *times], catch_exceptions=False).stdout
    assert "thawed: 2.0 h before" in text


def test_a_rule_that_nobody_knows_is_an_error_with_the_nearest(config: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'warm'"):
        CliRunner().invoke(
            app, ["backtest", "wrm", "-c", str(config), "--from", "2026-01-01T00:00:00Z"], catch_exceptions=False
        )


def test_no_sample_at_all_is_an_error_and_not_all_is_well(config: Path) -> None:
    options = ["-c", str(config), "--device", "hamburg/gw-1/room-9", "--kind", "cold_room", "--from", "0"]
    with pytest.raises(ConfigError, match="nothing was tried"):
        CliRunner().invoke(app, ["backtest", "warm", *options], catch_exceptions=False)
