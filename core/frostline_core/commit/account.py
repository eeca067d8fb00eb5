"""What a gateway says of its own account: the value of `Frostline/Account`, JSON in a String metric of the node.

It is sent after each birth and every few minutes, and each time tells whole days, so that a telling that is lost or
comes twice changes nothing. A host that does not know it loses nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from frostline_core.errors import ProtocolError

ACCOUNT = "Frostline/Account"
"""Declared in NBIRTH without value; sent in NDATA without a batch."""

DAYS_MOST = 8
"""Days in one telling."""

_MOST = 2**62
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class DayAccount:
    """Readings and samples of a gateway and one UTC day, counted on the day on which it happened.

    Attributes:
        day: `2026-01-31`.
        read: Readings that drivers emitted.
        kept: Samples worth keeping.
        filtered: Readings that said nothing new.
        rejected: Readings that no metric describes, or of the wrong type.
        committed: Samples that the cloud has said to have.
        lost: Samples that the gateway had to drop.
    """

    day: str
    read: int = 0
    kept: int = 0
    filtered: int = 0
    rejected: int = 0
    committed: int = 0
    lost: int = 0

    @property
    def residue(self) -> int:
        """Readings without a fate: read = kept + filtered + rejected, or it is an error of ours."""
        return self.read - self.kept - self.filtered - self.rejected


@dataclass(frozen=True, slots=True)
class GatewayAccount:
    """What a gateway tells.

    Attributes:
        days: The newest ones, at most `DAYS_MOST`.
        pending: Samples on its disk that the cloud does not have.
        unexplained: Samples of all time for which kept = committed + pending + lost does not hold; 0 unless it is an
            error of ours.
    """

    days: tuple[DayAccount, ...]
    pending: int
    unexplained: int


def pack_account(account: GatewayAccount) -> str:
    """The value of the metric."""
    days = [asdict(day) for day in account.days]
    return json.dumps({"days": days, "pending": account.pending, "unexplained": account.unexplained})


def unpack_account(text: str) -> GatewayAccount:
    """What a gateway tells; keys that are not known are left out of account.

    Raises:
        ProtocolError: It is no such JSON.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("an account is JSON") from error
    days = told.get("days") if isinstance(told, dict) else None
    if not isinstance(days, list) or len(days) > DAYS_MOST or not all(isinstance(day, dict) for day in days):
        raise ProtocolError(f"an account has a list of days, at most {DAYS_MOST}")
    return GatewayAccount(tuple(_day(each) for each in days), _count(told, "pending"), _number(told, "unexplained"))


def _day(told: Mapping[str, Any]) -> DayAccount:
    day = told.get("day")
    if not isinstance(day, str) or not _DAY.fullmatch(day):
        raise ProtocolError("a day is spelled 2026-01-31")
    return DayAccount(day, *(_count(told, name) for name in _COUNTS))


def _count(told: Mapping[str, Any], name: str) -> int:
    count = _number(told, name)
    if count < 0:
        raise ProtocolError(f"{name} of an account is not negative")
    return count


def _number(told: Mapping[str, Any], name: str) -> int:
    number = told.get(name, 0)
    if type(number) is not int or abs(number) > _MOST:
        raise ProtocolError(f"{name} of an account is a whole number")
    return number


_COUNTS = ("read", "kept", "filtered", "rejected", "committed", "lost")
