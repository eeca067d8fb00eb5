"""`frostline notify` as an operator uses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from frostline_cloud.alerts import record
from frostline_cloud.check import findings
from frostline_cloud.config import load_cloud
from frostline_cloud.instant import now_ms
from frostline_cloud.notify.health import Health, keep, target_hash
from frostline_cloud.notify.notify_cli import app
from frostline_cloud.notify.oncall import Override
from frostline_cloud.notify.oncall.rows import add_override
from frostline_cloud.notify.receivers.webhook.signature import new_secret
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import outbox
from frostline_core.errors import ConfigError
from frostline_core.rules import Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule

NOW = 1_770_000_000_000
CONFIG = """
[broker]
url = "mqtt://127.0.0.1:1"
[sql]
url = "sqlite:///frostline.db"
[notify]
public_url = "https://cold.example.com"
[[receiver]]
name = "ops"
url = "https://hooks.example/alerts"
secret = "${{file:{folder}/secret}}"
fallback = "duty"
[[receiver]]
name = "duty"
type = "mail"
host = "127.0.0.1"
port = 1
security = "none"
sender = "frostline@example.com"
to = ["duty@example.com"]
language = "zh-Hans"
time_zone = "Asia/Shanghai"
[[route]]
name = "fish"
to = ["duty"]
sites = ["hamburg"]
labels = {{ product = "fish" }}
escalate = [{{ after_minutes = 10, to = ["ops"] }}]
[[route]]
name = "rest"
to = ["ops"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(new_secret())
    (tmp_path / "rules").mkdir()
    path = tmp_path / "cloud.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


@pytest.fixture
def frostline(config: Path) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "-c", str(config)], catch_exceptions=False)

    return run


def test_a_preview_shows_every_stage_in_the_receivers_language(frostline: Callable[..., Result]) -> None:
    shown = frostline("preview", "duty").output

    assert shown.count("--- ") == 8
    assert "[严重] 已触发" in shown
    assert "CST" in shown
    assert "条新告警" in shown
    assert "https://cold.example.com/acknowledge/" in shown


def test_a_preview_of_one_stage_in_another_language_as_json(frostline: Callable[..., Result]) -> None:
    shown = json.loads(frostline("preview", "duty", "--language", "en", "--stage", "resolved", "--json").output)

    assert [(each["stage"], each["subject"]) for each in shown] == [
        ("resolved", "[critical] resolved: Cold room too warm - rotterdam chiller-1")
    ]


def test_a_preview_of_a_webhook_is_its_json(frostline: Callable[..., Result]) -> None:
    (shown,) = json.loads(frostline("preview", "ops", "--stage", "firing", "--json").output)

    assert shown["body"]["type"] == "alert.firing"


def test_a_receiver_or_language_that_is_not_there_is_named_with_the_nearest(frostline: Callable[..., Result]) -> None:
    with pytest.raises(ConfigError, match="no receiver 'dutty' \\(did you mean 'duty'"):
        frostline("preview", "dutty")
    with pytest.raises(ConfigError, match=r"--language: no texts in zh-Han"):
        frostline("preview", "duty", "--language", "zh-Han")


def test_a_test_message_says_what_the_receiver_answered(frostline: Callable[..., Result]) -> None:
    done = frostline("test", "duty")

    assert done.exit_code == 1
    assert done.output.startswith("retry ConnectionRefusedError")


def test_a_route_can_be_asked(frostline: Callable[..., Result]) -> None:
    shown = json.loads(frostline("route", "--site", "hamburg", "--label", "product=fish", "--json").output)

    assert shown == {
        "receivers": {"duty": "fish"},
        "escalate": [{"route": "fish", "after_minutes": 10.0, "to": ["ops"], "now": ["ops"]}],
    }
    assert frostline("route", "--site", "rotterdam").output == "ops\tby route rest\n"


ROTATION = """
[[rotation]]
name = "night"
members = ["ops", "duty"]
begin = 2026-11-23
hand_over = "mon 08:00"
time_zone = "Europe/Berlin"
[[rotation.override]]
who = "duty"
from = 2026-11-25T12:00:00
to = 2026-11-25T18:00:00
"""


@pytest.fixture
def with_rotation(config: Path) -> Path:
    config.write_text(config.read_text().replace('to = ["ops"] }', 'to = ["night"] }') + ROTATION)
    return config


@pytest.mark.usefixtures("with_rotation")
def test_who_is_on_call_is_shown_with_the_next_hand_overs(frostline: Callable[..., Result]) -> None:
    shown = frostline("oncall", "--at", "2026-11-25T10:00:00+01:00", "--next", "3").output

    assert shown.splitlines() == [
        "night (Europe/Berlin)",
        "  at\tops\tuntil Wed 2026-11-25 12:00 CET",
        "  then\tduty\tfrom Wed 2026-11-25 12:00 CET until Wed 2026-11-25 18:00 CET (override)",
        "  then\tops\tfrom Wed 2026-11-25 18:00 CET until Mon 2026-11-30 08:00 CET",
        "  then\tduty\tfrom Mon 2026-11-30 08:00 CET until Mon 2026-12-07 08:00 CET",
    ]
    assert "  now\t" in frostline("oncall", "night").output


@pytest.mark.usefixtures("with_rotation")
def test_who_is_on_call_as_json(frostline: Callable[..., Result]) -> None:
    (shown,) = json.loads(frostline("oncall", "--at", "2026-11-25T09:00:00Z", "--next", "0", "--json").output)

    assert shown == {
        "rotation": "night",
        "time_zone": "Europe/Berlin",
        "fallback": "",
        "duties": [{"who": "ops", "begin_ms": 1795597200000, "end_ms": 1795604400000, "is_override": False}],
    }


@pytest.mark.usefixtures("with_rotation")
def test_a_rotation_that_is_not_there_is_named_with_the_nearest(frostline: Callable[..., Result]) -> None:
    with pytest.raises(ConfigError, match="no rotation 'nigth' \\(did you mean 'night'"):
        frostline("oncall", "nigth")


def test_who_covers_by_the_console_is_shown_with_reason_and_author_and_is_who_a_step_calls(
    frostline: Callable[..., Result], with_rotation: Path
) -> None:
    loaded = load_cloud(with_rotation)
    engine, now = open_engine(loaded.sql.url), now_ms()
    migrate(engine)
    (known,) = loaded.notices.plan.rotations
    (other,) = {"ops", "duty"} - {known.who(now)}
    with engine.begin() as connection:
        made = Override("night", other, now, now + 3_600_000, "", "dentist", "anna", now)
        add_override(connection, loaded.notices.plan, made)
    engine.dispose()

    shown = frostline("oncall", "--next", "0").output
    assert shown.splitlines()[1].startswith(f"  now\t{other}\tuntil ")
    assert shown.endswith("(override by anna: dentist)\n")
    assert f"(now {other})" in frostline("route", "--site", "hamburg", "--label", "product=fish").output


def test_without_rotations_it_is_said(frostline: Callable[..., Result]) -> None:
    assert frostline("oncall").output == "there are no rotations\n"


@pytest.mark.usefixtures("with_rotation")
def test_a_step_of_a_route_is_shown_with_who_would_be_called_now(frostline: Callable[..., Result]) -> None:
    shown = frostline("route", "--site", "hamburg", "--label", "product=fish").output

    assert re.search(r"night \(now (ops|duty)\)\tafter 10 min \(route fish\)", shown)


def test_receivers_are_shown_with_their_trouble_and_can_be_enabled(
    frostline: Callable[..., Result], config: Path
) -> None:
    loaded = load_cloud(config)
    engine = open_engine(loaded.sql.url)
    migrate(engine)
    with engine.begin() as connection:
        target = target_hash(loaded.receiver[0].target)
        keep(connection, Health("ops", target).gone("410: gone", NOW))
    engine.dispose()

    assert "ops\tgone\t1 failures since 2026-02-02" in frostline("receivers").output
    assert frostline("enable", "ops").output == "ops is tried again\n"
    shown = json.loads(frostline("receivers", "--json").output)
    assert [(each["receiver"], each["type"], each["state"]) for each in shown] == [
        ("ops", "webhook", "ok"),
        ("duty", "mail", "ok"),
    ]


def test_dead_letters_are_listed_and_replayed(frostline: Callable[..., Result], config: Path) -> None:
    rules = RuleSet.of(
        [parse_rule({"type": "threshold", "id": "w", "title": "W", "select": {"metric": "*"}, "above": 8}, "t")]
    )
    series = Series("hamburg", "gw", "room-1", "cold_room", "", "t")
    engine = open_engine(load_cloud(config).sql.url)
    migrate(engine)
    with engine.begin() as connection:
        record(connection, [Transition("w", series, Phase.OK, Phase.FIRING, NOW, 9.0, 8.0, "")], rules, ["ops"], NOW)
        connection.execute(update(outbox).values(state="dead"))

    (letter,) = json.loads(frostline("dead-letters", "list", "--json").output)
    assert frostline("dead-letters", "list").output.startswith(letter["id"])
    assert "1 notifications will be tried again" in frostline("dead-letters", "replay", letter["id"]).output
    with engine.connect() as connection:
        assert connection.scalar(select(outbox.c.state)) == "waiting"
    engine.dispose()
    with pytest.raises(ConfigError, match="name the ids to replay, or say --all"):
        frostline("dead-letters", "replay")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('to = ["ops"]\n', 'to = ["opps"]\n', "route 'rest': no receiver or rotation 'opps' \\(did you mean 'ops'"),
        ('fallback = "duty"', 'fallback = "ops"', "its fallback is itself"),
        ('name = "rest"', 'name = "fish"', "route names must be unique"),
        ('type = "mail"', 'type = "pigeon"', "type must be webhook, mail or chat"),
        ('host = "127.0.0.1"', 'hots = "127.0.0.1"', "receiver.1.hots: unknown key \\(did you mean 'host'"),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(config: Path, old: str, new: str, said: str) -> None:
    config.write_text(config.read_text().replace(old, new))

    with pytest.raises(ConfigError, match=said):
        load_cloud(config)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "rest"', 'name = "rest"\nseverities = ["info"]', "no route tells anybody of a critical alert"),
        ('name = "fish"', 'name = "all"\nto = []\n[[route]]\nname = "fish"', "route 'fish' never gets anything"),
        ('language = "zh-Hans"', 'language = "de"', "receiver 'duty': no texts in de"),
        (
            'name = "rest"\nto = ["ops"]',
            'name = "rest"\nto = ["day"]\n[[rotation]]\nname = "day"\nmembers = ["ops"]\nbegin = 2026-11-23\n'
            'during = [{ begin = "06:00", end = "22:00" }]',
            r"route 'rest': nobody is on call in 'day' from .*; name a fallback in the rotation",
        ),
        ("[notify]", '[notify]\ntemplates = "texts"', r"texts/en/firing\.txt:2: unknown field \{nobody\}"),
    ],
)
def test_the_check_finds_what_would_go_wrong(config: Path, old: str, new: str, said: str) -> None:
    (config.parent / "texts" / "en").mkdir(parents=True)
    (config.parent / "texts" / "en" / "firing.txt").write_text("Hot\n{nobody}")
    config.write_text(config.read_text().replace(old, new))

    found = findings(load_cloud(config))["notify"]

    assert re.search(said, found)


def test_the_check_finds_nothing_where_nothing_is_wrong(config: Path) -> None:
    assert findings(load_cloud(config))["notify"] == ""
