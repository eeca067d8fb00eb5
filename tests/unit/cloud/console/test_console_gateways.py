"""A gateway in words: no doubt and no loss goes unsaid, and none is made up."""

from __future__ import annotations

import pytest

from frostline_cloud.api.account import DayOut, GatewayDayOut
from frostline_cloud.api.fleet import AccountOut, DoubtOut, LocalRulesOut, LostOut, NodeOut
from frostline_cloud.console.gateways.sheet import account, badges, doubts, local_rules, lost, newest_told, own, state
from frostline_cloud.console.wall import Wall

NOW = 1_790_000_000_000


def node(**changed: object) -> NodeOut:
    made = NodeOut(
        site="berlin",
        node="gw-1",
        online=True,
        proved=True,
        birth_ms=NOW - 3_600_000,
        death_ms=None,
        account=AccountOut(received=10, written=9, dead_lettered=0, duplicate=1, residue=0),
        lost=LostOut(listings=0, samples=0, uncounted=0, recovered=0, recovered_samples=0),
        local_rules=None,
        in_doubt=[],
    )
    return made.model_copy(update=changed)


def words(**changed: object) -> list[str]:
    return [text for _, _, text in badges(node(**changed), NOW)]


def test_a_gateway_that_is_well_says_only_that() -> None:
    assert words() == ["online", "delivery is proved"]
    assert lost(node()) == "nothing"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"online": False, "death_ms": NOW - 120_000}, "offline for 2 min"),
        ({"proved": False}, "delivery is not proved"),
        (
            {"account": AccountOut(received=3, written=1, dead_lettered=0, duplicate=0, residue=2)},
            "2 samples without a fate",
        ),
        (
            {"lost": LostOut(listings=2, samples=1, uncounted=1, recovered=0, recovered_samples=0)},
            "lost: 1 sample and 1 uncounted",
        ),
        ({"in_doubt": [DoubtOut(run="00", first=3, announced=9)]}, "1 run in doubt"),
        (
            {"local_rules": LocalRulesOut(version="a", refused="b", reason="no siren", at_ms=NOW)},
            "refuses its local rules",
        ),
    ],
    ids=["offline", "plain", "residue", "lost", "doubt", "rules"],
)
def test_every_doubt_is_said(changed: dict[str, object], said: str) -> None:
    assert said in words(**changed)


def test_a_gateway_that_is_offline_is_never_nothing_to_look_at() -> None:
    assert doubts(node()) == []
    assert doubts(node(online=False)) == ["nothing is known of what it reads"]
    assert doubts(node(proved=False)) == ["delivery is not proved"]


def day(name: str, **told: int) -> DayOut:
    counts = {"read": 196, "kept": 94, "filtered": 102, "rejected": 0, "committed": 0, "lost": 0, "residue": 0}
    said = GatewayDayOut(**(counts | {"pending": 94, "unexplained": 0, "told_ms": NOW - 180_000} | told))
    came = {"received": 0, "written": 0, "dead_lettered": 0, "duplicate": 0, "residue": 0}
    return DayOut(site="berlin", node="gw-1", day=name, gateway=said, **came)


def test_what_a_gateway_still_holds_is_said_with_the_age_of_its_word() -> None:
    note, said = own(day("2026-09-21"), NOW)
    assert note.startswith("Of 2026-09-21 (a day in UTC), as it said 3 min ago;")
    assert dict(said)["Still on its disk"] == "94"
    assert dict(said)["Without a fate"] == "none, as it must be"


def test_what_a_gateway_cannot_explain_is_said() -> None:
    _, said = own(day("2026-09-21", residue=-2, unexplained=1), NOW)
    assert dict(said)["Without a fate"] == "3"


def test_the_newest_day_that_a_gateway_has_told_of_is_shown() -> None:
    silent = day("2026-09-22").model_copy(update={"gateway": None})
    assert newest_told([day("2026-09-20"), day("2026-09-21"), silent]) == day("2026-09-21")
    assert own(newest_told([silent]), NOW) == ("It has told nothing of what it read in the last 30 days.", [])


def test_rules_that_are_too_large_to_be_sent_are_said_with_what_to_do() -> None:
    unsent = {"rules_unsent": "they are too large; make them fewer"}
    assert "its rules cannot be sent" in words(**unsent)
    assert dict(local_rules(node(**unsent), Wall()))["Not sent"] == "they are too large; make them fewer"


def test_losses_that_nobody_could_count_are_not_nothing() -> None:
    uncounted = LostOut(listings=1, samples=0, uncounted=1, recovered=0, recovered_samples=0)
    assert lost(node(lost=uncounted)) == "0 samples and 1 uncounted"


def test_a_gateway_that_never_died_is_offline_since_its_birth_at_the_latest() -> None:
    assert state(node(online=False), NOW) == "offline for 1 h"


def test_the_account_says_that_every_sample_has_a_fate() -> None:
    assert dict(account(node()))["Without a fate"] == "none, as it must be"


def test_local_rules_say_what_was_refused_and_why() -> None:
    assert local_rules(node(), Wall()) == []
    told = LocalRulesOut(version="a1", refused="b2", reason="no output 'siren' here", at_ms=NOW)
    said = dict(local_rules(node(local_rules=told), Wall()))
    assert said["In use there"] == "version a1"
    assert said["Refused"] == "version b2"
    assert said["Why"] == "no output 'siren' here"
