"""The clock on the reader's wall: instants in the time zone of their browser, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class Wall:
    """A time zone.

    Attributes:
        zone: The zone.
        name: As people know it; "UTC" where the browser's is not known here.
    """

    zone: tzinfo = UTC
    name: str = "UTC"

    @classmethod
    def of(cls, name: object) -> Wall:
        """The zone that a browser names; UTC for one that nobody knows here."""
        try:
            return cls(ZoneInfo(str(name)), str(name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return cls()

    def text(self, at_ms: int) -> str:
        """Date and time, to the second: `2026-11-22 14:05:09`."""
        return self._local(at_ms).strftime("%Y-%m-%d %H:%M:%S")

    def short(self, at_ms: int, now_ms: int) -> str:
        """The time to the minute; with its date unless that is today's."""
        moment = self._local(at_ms)
        is_today = moment.date() == self._local(now_ms).date()
        return moment.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")

    def field(self, at_ms: int) -> str:
        """As a browser's field for date and time has it (HTML, `datetime-local`)."""
        return self._local(at_ms).strftime("%Y-%m-%dT%H:%M")

    def read(self, text: str) -> int:
        """The instant in such a field; of an hour that comes twice, the first.

        Raises:
            ValueError: It is no date and time, or one that the clock skips in spring.
        """
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            raise ValueError("no date and time")
        at_ms = round(moment.replace(tzinfo=self.zone).timestamp() * 1000)
        if self._local(at_ms).replace(tzinfo=None) != moment:
            raise ValueError(f"the clocks in {self.name} skip that time")
        return at_ms

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, self.zone)
