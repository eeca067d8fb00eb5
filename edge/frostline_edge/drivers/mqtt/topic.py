"""Topic patterns with named levels, `tele/{device}/SENSOR`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEVICE = "device"
ZONE = "zone"
_NAMED = re.compile(r"\{([a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """A topic whose levels are literal or named; a name stands for exactly one level.

    Attributes:
        text: As the config spells it.
        levels: Literal text, or None where the level has a name.
        names: By place, the names of the others.
    """

    text: str
    levels: tuple[str | None, ...]
    names: tuple[tuple[int, str], ...]

    @classmethod
    def parse(cls, text: str) -> TopicPattern:
        """The pattern that a text spells.

        Raises:
            ValueError: A wildcard, a name that is not a whole level, a name twice, or no `{device}`.
        """
        levels: list[str | None] = []
        names: list[tuple[int, str]] = []
        for place, level in enumerate(text.split("/")):
            named = _NAMED.fullmatch(level)
            if named:
                names.append((place, named[1]))
            elif set(level) & set("+#{}\0"):
                raise ValueError(f"'{level}' in '{text}': a level is plain text or a name such as {{device}}")
            levels.append(None if named else level)
        found = [name for _, name in names]
        if found.count(DEVICE) != 1 or len(set(found)) != len(found):
            raise ValueError(f"'{text}' must have {{device}} once, and any other name once at most")
        return cls(text, tuple(levels), tuple(names))

    @property
    def filter(self) -> str:
        """What to subscribe to."""
        return "/".join("+" if level is None else level for level in self.levels)

    def match(self, topic: str) -> dict[str, str] | None:
        """What the names stand for in a topic, or None where it does not fit."""
        parts = topic.split("/")
        if len(parts) != len(self.levels):
            return None
        if any(level not in (None, part) for level, part in zip(self.levels, parts, strict=True)):
            return None
        return {name: parts[place] for place, name in self.names}
