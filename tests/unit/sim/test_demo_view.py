"""What the demo says in the terminal: words for switches, units for numbers, times in UTC."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from frostline_sim.demo.story import Account
from frostline_sim.demo.view import alert_line, summary, values_table, webhook_line

PLAIN = {"unit": "", "stale": False}


def printed(shown: object, width: int = 200) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as caught:
        console.print(shown)
    return caught.get()


def room(*values: dict[str, Any], kind: str = "cold_room") -> dict[str, Any]:
    return {"site": "rotterdam", "device": "freezer-1", "zone": "freezer-1", "kind": kind, "values": list(values)}


def test_a_switch_is_said_in_words_and_a_number_with_its_unit() -> None:
    shown = printed(
        values_table(
            [
                room(
                    PLAIN | {"metric": "air_temperature", "value": -18.04, "unit": "Cel"},
                    PLAIN | {"metric": "door_open", "value": False},
                    PLAIN | {"metric": "compressor_running", "value": True},
                )
            ]
        )
    )
    assert "air_temperature -18.0 °C  door closed" in shown
    assert "compressor on" in shown


def test_stock_is_counted_in_pieces() -> None:
    count = PLAIN | {"metric": "count_00003700065423", "value": 6}
    assert "00003700065423 6 pieces" in printed(values_table([room(count, kind="stock_zone")]))


def test_a_number_is_never_parted_from_its_unit() -> None:
    values = [PLAIN | {"metric": name, "value": 31} for name in ("count_00003700065423", "count_80614141123458")]
    narrow = printed(values_table([room(*values, kind="stock_zone")]), width=80)
    assert "80614141123458 31 pieces" in narrow


def test_what_is_stale_says_so_and_what_never_came_too() -> None:
    stale = {"metric": "door_open", "value": True, "unit": "", "stale": True}
    assert "door open (stale)" in printed(values_table([room(stale)]))
    assert "no value yet" in printed(values_table([room(PLAIN | {"metric": "door_open", "value": None})]))


def test_times_are_in_utc_and_say_so() -> None:
    line = alert_line({"at": 1_790_000_000_000, "state": "firing", "rule": "warm", "device": "freezer-1"})
    assert printed(line).startswith("14:13:20 UTC  alert firing  warm at freezer-1")


def test_a_webhook_says_what_it_told() -> None:
    heard = {"type": "alert.firing", "verified": True, "body": {"summary": "Freezer [1] too warm"}}
    assert (
        printed(webhook_line(heard)).rstrip().endswith("webhook alert.firing  signature verified  Freezer [1] too warm")
    )


def test_the_account_shows_that_every_reading_has_a_fate() -> None:
    console = Console(width=100, highlight=False)
    with console.capture() as caught:
        summary(console, Account(13, 5, 0, 8, 8, 8, 0, 0, [], []))
    assert "readings 13 = kept 8 + nothing new 5 + rejected 0" in caught.get()
    assert "Every reading is accounted for." in caught.get()
