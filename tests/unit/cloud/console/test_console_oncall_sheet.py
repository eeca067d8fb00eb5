"""Who is on call in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from frostline_cloud.api.oncall import DutyOut, EscalationOut, OverrideOut, ReachedOut, RotationOut, StepOut
from frostline_cloud.console.oncall.sheet import clock, duty_row, headline, override_row, steps
from frostline_cloud.console.wall import Wall

BERLIN = Wall.of("Europe/Berlin")
HOUR_MS = 3_600_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


NOW = at("2026-03-28T12:00+01:00")  # the clock is put forward that night


def duty(who: str, **keys: Any) -> DutyOut:
    made = {"from_ms": NOW, "to_ms": NOW + 24 * HOUR_MS, "is_override": False, "reason": "", "author": ""}
    return DutyOut.model_validate({"who": who} | made | keys)


def rotation(now: DutyOut, follows: DutyOut | None, *told: str) -> RotationOut:
    return RotationOut(
        rotation="cold", time_zone="Europe/Berlin", hand_over="08:00", members=["wang"], now=now, told=list(told),
        next=follows, duties=[now],
    )  # fmt: skip


def test_times_say_the_zone_and_its_summer() -> None:
    assert clock(NOW, "Europe/Berlin") == "Sat 2026-03-28 12:00 CET"
    assert clock(NOW + 24 * HOUR_MS, "Europe/Berlin") == "Sun 2026-03-29 13:00 CEST"


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (rotation(duty("wang"), duty("ben"), "wang"), "wang is on call until Sun 2026-03-29 13:00 CEST; then ben."),
        (rotation(duty("wang", to_ms=None), None, "wang"), "wang is on call for good."),
        (
            rotation(duty(""), duty("ben"), "ops"),
            "Nobody is on call until Sun 2026-03-29 13:00 CEST: ops is told; then ben.",
        ),
        (rotation(duty("", to_ms=None), None, "a", "b"), "Nobody is on call for good: a, b are told."),
    ],
)
def test_the_headline_says_who_until_when_and_who_follows(shown: RotationOut, said: str) -> None:
    assert headline(shown) == said


def test_the_readers_time_is_beside_where_it_is_another() -> None:
    (_, here, _), (_, there, _) = (duty_row(duty("wang"), zone, BERLIN) for zone in ("Europe/Berlin", "Asia/Shanghai"))

    assert (here.text, here.note) == ("Sat 2026-03-28 12:00 CET", "")
    assert (there.text, there.note) == ("Sat 2026-03-28 19:00 CST", "2026-03-28 12:00 in Europe/Berlin")


def test_why_somebody_is_on_call_is_said_of_overrides_and_holes() -> None:
    rows = [
        duty("wang"),
        duty("li", is_override=True, reason="dentist", author="anna"),
        duty("li", is_override=True),
        duty(""),
    ]

    assert [(row[2].text, row[2].note) for row in (duty_row(each, "UTC", BERLIN) for each in rows)] == [
        ("", ""),
        ("override: dentist", "by anna"),
        ("override in cloud.toml", ""),
        ("outside of its hours", ""),
    ]


def test_an_override_that_does_not_count_says_why() -> None:
    made = OverrideOut(
        id=1, rotation="cold", who="li", instead_of="", from_ms=NOW + 1, to_ms=NOW + HOUR_MS, reason="x", author="anna",
        created_ms=NOW, ended_by=None, fault="there is no receiver 'li' any more",
    )  # fmt: skip
    row = override_row(made, "Europe/Berlin", BERLIN, NOW)

    assert row[1].note == "does not count: there is no receiver 'li' any more"
    assert (row[2].text, row[3].note) == ("whoever's turn it is", "has not begun")


def escalation(
    held: str = "", state: str = "waiting", due_ms: int = NOW + 360_000, then: str = "wang"
) -> EscalationOut:
    now, later = (ReachedOut(receiver=name, rotation="cold") for name in ("wang", then))
    step = StepOut(route="all", step=2, due_ms=due_ms, state=state, to=["cold"], now=[now], then=[later])
    return EscalationOut(steps=[step], held=held)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            escalation(),
            ["Step 2 of route all calls wang (on call in cold) at 12:06, in 6 min, unless somebody takes note."],
        ),
        (
            escalation(then="ben"),
            [
                "Step 2 of route all calls ben (on call in cold) at 12:06, in 6 min, unless somebody takes note. "
                "Now it would be wang (on call in cold)."
            ],
        ),
        (escalation(due_ms=NOW), ["Step 2 of route all calls wang (on call in cold) now, unless somebody takes note."]),
        (escalation(state="sent"), ["No further step of escalation follows: nobody else will be called."]),
        (escalation(held="noted"), []),
    ],
)
def test_an_alert_says_who_is_called_next(found: EscalationOut, said: list[str]) -> None:
    assert steps(found, BERLIN, NOW) == said


def test_an_alert_that_is_not_told_says_that_no_step_is_taken() -> None:
    assert steps(escalation(held="muted"), BERLIN, NOW)[0] == "It is not told now, and no step is taken meanwhile."
