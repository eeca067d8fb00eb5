"""Paths into a JSON document, `a.b[0].c`: a small part of what JSONPath can, and nothing that searches. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_PATH = re.compile(r"(?:[^.\[\]]+(?:\[\d{1,6}\])*|(?:\[\d{1,6}\])+)(?:\.[^.\[\]]+(?:\[\d{1,6}\])*)*")
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class Absent:
    """What a path finds where there is nothing; not the same as a null that is there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class JsonPath:
    """Keys, joined by dots, and indexes from 0 in brackets; "" is the whole document.

    A key cannot hold a dot or a bracket.
    """

    text: str
    steps: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """The path that a text spells.

        Raises:
            ValueError: It spells none.
        """
        if text and not _PATH.fullmatch(text):
            raise ValueError(f"'{text}' is no path; keys are joined by dots, indexes stand in brackets: a.b[0].c")
        return cls(text, tuple(int(index) if index else key for index, key in _STEP.findall(text)))

    def find(self, document: object) -> object:
        """What stands there, or ABSENT."""
        for step in self.steps:
            if isinstance(step, int):
                if not isinstance(document, list) or step >= len(document):
                    return ABSENT
                document = document[step]
            else:
                if not isinstance(document, dict) or step not in document:
                    return ABSENT
                document = document[step]
        return document
