"""Writing off the rest of a run: its gateway is gone for good, and what its disk still held will not come.

A run in doubt keeps its alert until its tail has come. When somebody knows that it never will, because the card is
destroyed or the gateway was stolen, the rest is listed as lost with the reason they give. The entry has no end, since
nobody knows how far the run went. It changes nothing about delivery: if rows come after all they are applied, and the
entry begins after them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, insert

from frostline_cloud.sql import ledger, registry, translated
from frostline_cloud.sql.ledger import Doubt
from frostline_cloud.sql.registry import Scope
from frostline_cloud.sql.tables import loss
from frostline_core.errors import FrostlineError

log = logging.getLogger("frostline.delivery")

MOST_REASON = 500
_MOST_DOUBTS = 10_000


class NothingToWriteOffError(FrostlineError):
    """The run is in no doubt, or nobody knows it; the message says which."""


@dataclass(frozen=True, slots=True)
class WriteOff:
    """What is given up, by whom and why.

    Attributes:
        site: The site.
        node: The gateway.
        run: 16 hex digits, as the doubt says.
        reason: Why nothing will come, for whoever reads the list of losses.
        who: Who says so: name of the token, or of the account on the machine.
    """

    site: str
    node: str
    run: str
    reason: str
    who: str


def write_off(engine: Engine, wanted: WriteOff, now_ms: int) -> Doubt:
    """Lists the rest of a run as lost; the alert about it resolves with the next look at the account.

    Returns:
        What was in doubt.

    Raises:
        NothingToWriteOffError: The run is not in doubt: the gateway still has it, or it has come to its end.
        UnavailableError: SQL does not answer; nothing has changed.
    """
    with translated("SQL"), engine.begin() as connection:
        doubt = _doubt(connection, wanted)
        row = {
            "site": wanted.site,
            "node": wanted.node,
            "run": wanted.run,
            "first": doubt.first,
            "reason": f"written off by {wanted.who}: {wanted.reason}",
            "at_ms": now_ms,
        }
        connection.execute(insert(loss).values(**row))
    log.warning("%s/%s run %s from %d: %s", wanted.site, wanted.node, wanted.run, doubt.first, row["reason"])
    return doubt


def _doubt(connection: Connection, wanted: WriteOff) -> Doubt:
    where = f"{wanted.site}/{wanted.node}"
    found = registry.nodes(connection, Scope(site=wanted.site, node=wanted.node), most=1)
    if not found:
        raise NothingToWriteOffError(f"nobody knows a gateway {where}")
    doubts = ledger.doubts(connection, found[0], _MOST_DOUBTS)
    for doubt in doubts:
        if doubt.run == wanted.run:
            return doubt
    named = ", ".join(each.run for each in doubts[:5]) or "none"
    raise NothingToWriteOffError(f"run {wanted.run} of {where} is not in doubt; in doubt: {named}")
