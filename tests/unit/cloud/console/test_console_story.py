"""What happened with an alert, as one list: the rule, people, gateways, and who was told."""

from __future__ import annotations

from typing import Any

from frostline_cloud.api.alerts import AlertDetailOut
from frostline_cloud.console.incident.story import MOST, Entry, newest, story

NOW = 1_790_000_000_000
MINUTE = 60_000


def event(minute: float, before: str = "firing", after: str = "firing", **changed: Any) -> dict[str, Any]:
    at_ms = NOW + round(minute * MINUTE)
    made = {"revision": 1, "before": before, "after": after, "at_ms": at_ms, "noted_ms": at_ms, "value": None}
    return made | {"note": "", "act": "", "who": ""} | changed


def sent(minute: float, state: str, *errors: str) -> dict[str, Any]:
    at_ms = NOW + round(minute * MINUTE)
    attempts = [{"at_ms": at_ms, "status": None, "error": each} for each in errors]
    done_ms = None if state == "waiting" else at_ms + 2500
    about = {"id": "m", "type": "alert.firing", "receiver": "mail", "state": state, "created_ms": at_ms}
    return about | {"done_ms": done_ms, "attempts": attempts}


def told(timeline: list[dict[str, Any]], notifications: list[dict[str, Any]] | None = None) -> list[Entry]:
    alert = AlertDetailOut.model_validate(
        {
            "id": "a", "rule": "r", "site": "s", "node": "n", "device": "d", "metric": "m", "zone": "",
            "severity": "critical", "state": "firing", "revision": 1, "retroactive": False, "opened_ms": NOW,
            "fired_ms": NOW, "resolved_ms": None, "no_data_since_ms": None, "category": None, "value": None,
            "summary": "x", "acknowledged_ms": None, "acknowledged_by": None, "evidence": {}, "timeline": timeline,
            "notifications": notifications or [],
        }
    )  # fmt: skip
    return story(alert, "°C")


def test_changes_of_the_rule_carry_value_and_reason() -> None:
    (entry,) = told([event(0, "pending", "firing", value=-9.5, note="above the hard limit")])
    assert (entry.kind, entry.text) == ("rule", "pending → firing, -9.5 °C (above the hard limit)")


def test_people_are_named() -> None:
    said = {"act": "comment", "who": "anna", "note": "the door was open"}
    did = {"act": "shelve", "who": "bob", "note": "shelved by bob: parts"}
    assert [(each.kind, each.text) for each in told([event(0, **said), event(1, **did)])] == [
        ("person", "anna: the door was open"),
        ("person", "Shelved by bob: parts"),
    ]


def test_what_came_late_says_how_late() -> None:
    (entry,) = told([event(0, "pending", "firing", noted_ms=NOW + 90 * MINUTE)])
    assert entry.note == "measured 90 min before it came"


def test_who_was_told_stands_between_the_changes() -> None:
    entries = told([event(0, "ok", "firing"), event(5, "firing", "resolved")], [sent(1, "delivered", "")])
    assert [each.kind for each in entries] == ["rule", "told", "rule"]
    assert (entries[1].text, entries[1].note) == ("To mail, that it fires: delivered", "after 2.5 s")


def test_what_could_not_be_delivered_is_said_to_have_failed() -> None:
    (entry,) = told([], [sent(0, "dead", "HTTP 503", "HTTP 404")])
    assert (entry.is_bad, entry.note) == (True, "2 attempts, HTTP 404")
    assert entry.text == "To mail, that it fires: given up"


def test_what_nobody_needed_to_be_told_has_not_failed() -> None:
    (entry,) = told([], [sent(0, "collapsed")])
    assert (entry.is_bad, entry.text) == (False, "To mail, that it fires: left out, since a later one says more")


def test_only_the_newest_are_shown_and_the_others_counted() -> None:
    entries = told([event(number) for number in range(MOST + 7)])
    shown, earlier = newest(entries)
    assert (len(shown), earlier, shown[-1]) == (MOST, 7, entries[-1])
