"""What nobody took note of is told again; what is not told waits.

Some tests carry the number of a thread about Alertmanager or ThingsBoard whose complaint they answer.
"""

from __future__ import annotations

from frostline_cloud.alerts import Silence, add_silence, release
from frostline_cloud.notify import UNADDRESSED
from tests.support.duty import INTERVAL, REPEAT, SECOND, WAIT, Duty, duty
from tests.support.office import FIRES, HOUR, MINUTE, Office, drain


def test_thingsboard_7898_what_still_fires_is_told_again(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(WAIT)
    ours.wait(REPEAT)

    assert ours.told[1:] == [{"firing": ["room-1", "room-2"]}]
    assert ours.inbox.taken[1]["repeated"] is True
    ours.wait(REPEAT)
    assert len(ours.told) == 3


def test_what_somebody_took_note_of_is_not_told_again(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(WAIT)
    ours.take_note("room-1")
    ours.wait(REPEAT + SECOND)
    ours.take_note("room-2")
    ours.wait(3 * REPEAT)

    assert ours.told[1:] == [{"firing": ["room-2"]}]


def test_what_is_shelved_is_not_told_again(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    ours.shelve("room-1", 3 * HOUR)
    ours.wait(REPEAT + MINUTE)

    assert len(ours.told) == 1


def test_what_is_silenced_is_not_told_again(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    now = office.now
    with office.engine.begin() as connection:
        add_silence(connection, Silence(0, {"device": "room-1"}, "works", "anna", now, now + 3 * HOUR, now))
    ours.wait(REPEAT + MINUTE)

    assert len(ours.told) == 1


def test_a_group_may_never_be_repeated(office: Office) -> None:
    ours = duty(office, {"repeat_s": 0})
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT + 5 * REPEAT)

    assert len(ours.told) == 1


def test_what_is_shelved_while_it_waits_is_not_told_until_the_shelf_ends(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.shelve("room-1", HOUR)
    ours.wait(WAIT)
    assert ours.told == [{"fired": ["room-2"]}]

    office.now += HOUR
    known = ours.alert_of("room-1")
    with office.engine.begin() as connection:
        assert release(connection, [known], UNADDRESSED, office.now) == 1
    ours.wait(INTERVAL)

    assert "room-1" in [device for each in ours.told[1:] for part in each.values() for device in part]


def test_alertmanager_4064_what_follows_from_something_else_is_not_told_after_a_restart(office: Office) -> None:
    """A silence that begins while news waits stands for any reason not to tell: it is looked at when it is told."""
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    now = office.now
    with office.engine.begin() as connection:
        add_silence(connection, Silence(0, {"device": "room-1"}, "works", "anna", now, now + HOUR, now))
    office.now += WAIT

    drain(Duty(office, ours.plan, ours.inbox).desk)

    assert ours.told == []
    assert office.states() == {"muted": 1}
