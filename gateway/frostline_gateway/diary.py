"""The gateway's diary: what it tells of itself, each time as an event of its own node, through the spool."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from frostline_core.diary import CLOCK, COMMAND, CONFLICT, IDENTITY, LOCAL_RULES, OUTPUT
from frostline_core.reading import Reading


class Diary:
    """Writes entries; each is kept, and never thinned.

    Args:
        event: Where events of a device go; "" is the gateway itself.
        clock: Time of day, UTC milliseconds.
    """

    def __init__(self, event: Callable[[str, Sequence[Reading]], None], clock: Callable[[], int]) -> None:
        self._event, self._now_ms = event, clock

    def command(self, entry: Mapping[str, object]) -> None:
        """What became of a command."""
        self._note(COMMAND, entry)

    def clock(self, entry: Mapping[str, object]) -> None:
        """What became of the clock."""
        self._note(CLOCK, entry)

    def output(self, entry: Mapping[str, object]) -> None:
        """What a local rule did to an output."""
        self._note(OUTPUT, entry)

    def local_rules(self, entry: Mapping[str, object]) -> None:
        """Which rules of the cloud are in use here."""
        self._note(LOCAL_RULES, entry)

    def identity(self, stands: bool, entry: Mapping[str, object]) -> None:
        """Whether another client seems to be us: the cloud hears of it with the next session.

        Args:
            stands: Whether it does; false tells that it is over, or never was.
            entry: Particulars; {} for none.
        """
        told = [self._entry(IDENTITY, entry)] if entry else []
        self._event("", [*told, Reading("", CONFLICT, stands, self._now_ms())])

    def _note(self, metric: str, entry: Mapping[str, object]) -> None:
        self._event("", [self._entry(metric, entry)])

    def _entry(self, metric: str, entry: Mapping[str, object]) -> Reading:
        return Reading("", metric, json.dumps(entry, default=str), self._now_ms())
