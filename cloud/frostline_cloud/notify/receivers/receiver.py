"""The contract of a receiver: it tries once, and says what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Verdict(StrEnum):
    """What an attempt led to.

    DELIVERED: the receiver has it. RETRY: it may work later. REJECTED: this message will never be taken, others may be.
    GONE: the receiver wants nothing any more.
    """

    DELIVERED = "delivered"
    RETRY = "retry"
    REJECTED = "rejected"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Message:
    """One notification to one receiver.

    Attributes:
        id: The same for every attempt.
        type: For example `alert.firing`.
        body: JSON, the same bytes for every attempt.
    """

    id: str
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of an attempt.

    Attributes:
        verdict: What follows from it.
        status: HTTP status, SMTP code or the like; None where no answer came.
        error: What went wrong; "" where nothing did. Holds no secret. A delivery may have one: whom it did not reach.
        retry_after_s: What the receiver asked for.
    """

    verdict: Verdict
    status: int | None = None
    error: str = ""
    retry_after_s: float | None = None


class Receiver(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str:
        """As in the config."""

    @property
    def types(self) -> tuple[str, ...]:
        """Types of notification that it wants; empty for all."""

    @property
    def severities(self) -> tuple[str, ...]:
        """Severities that it wants; empty for all."""

    @property
    def timeout_s(self) -> float:
        """The longest that one attempt takes."""

    async def send(self, message: Message, now_s: int) -> Attempt:
        """Tries once; every failure of the other side is an `Attempt`, never an exception."""

    async def close(self) -> None:
        """Lets go of connections."""
