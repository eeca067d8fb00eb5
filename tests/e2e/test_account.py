"""The account from the driver to the database, per gateway and day: in the API, in the metrics, and as an alert."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, update

from frostline_cloud.audit import RESIDUE, RULE, UNREAD, audit
from frostline_cloud.sql.tables import account, gateway_account
from tests.support.services import eventually
from tests.support.stack import Counter, Stack
from tests.support.stream import settle

NODE = "gw-1"
pytestmark = pytest.mark.timeout(600)


def days(stack: Stack) -> list[dict[str, Any]]:
    return [each for each in stack.api("account")["items"] if each["node"] == NODE]


def told(stack: Stack) -> dict[str, int]:
    """What the gateway told of all its days."""
    own = [each["gateway"] for each in days(stack) if each["gateway"]]
    return {name: sum(each[name] for each in own) for name in ("read", "kept", "filtered", "rejected", "residue")}


def test_every_reading_is_in_the_account_of_its_gateway_and_day(stack: Stack, counter: Counter) -> None:
    gateway = stack.add_gateway(NODE, counter.driver)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
    counter.start()
    eventually(lambda: counter.sent > 50)
    settle(stack, counter)
    gateway.stop()
    gateway.start()  # its births are followed by its account
    eventually(lambda: told(stack)["read"] > counter.sent, 60)
    for day in days(stack):  # one, or two around midnight
        own = day["gateway"]
        assert own["read"] == own["kept"] + own["filtered"] + own["rejected"]
        assert (own["residue"], own["unexplained"], day["residue"]) == (0, 0, 0)
    assert told(stack)["kept"] >= counter.sent
    eventually(lambda: sum(each["written"] for each in days(stack)) >= told(stack)["kept"] >= counter.sent)
    gateway.stop()
    stack.cloud.stop()
    database = create_engine(f"sqlite:///{stack.folder}/frostline.db")
    assert audit(database, [], 1) == 0, "what adds up is no alert"
    with database.begin() as connection:
        connection.execute(update(account).values(received=account.c.received + 1))
        connection.execute(update(gateway_account).values(filtered=gateway_account.c.filtered + 2))
    database.dispose()
    stack.start_cloud()
    eventually(lambda: len(alerts(stack)) == 2, 60)
    assert {(each["metric"], each["severity"], each["state"]) for each in alerts(stack)} == {
        (RESIDUE, "critical", "firing"),
        (UNREAD, "critical", "firing"),
    }


def alerts(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.api("alerts")["items"]
    return [each for each in found if each["rule"] == RULE]
