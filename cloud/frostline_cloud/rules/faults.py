"""What is wrong with rule files, as values for programs."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(
    r"^(?P<file>.*?\.(?:toml|yaml|yml))(?::(?P<line>\d+))?: "
    r"(?:rule '(?P<rule>[^']*)': )?(?:(?P<key>[A-Za-z0-9_.\[\]-]+|\(top level\)): )?(?P<text>.*)$"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        file: The file; "" where it is about all of them.
        line: The line, from 1; 0 where nobody knows it: in TOML.
        rule: The rule's id; "" where it is about the file.
        key: The key; "" where it is about the rule or file.
        text: What is wrong.
    """

    file: str
    line: int
    rule: str
    key: str
    text: str


def faults(message: str) -> list[Fault]:
    """The faults of a `ConfigError` of rule files, a line each."""
    return [_fault(line) for line in message.splitlines()]


def _fault(line: str) -> Fault:
    match = _LINE.match(line)
    if match is None:
        return Fault("", 0, "", "", line)
    return Fault(match["file"], int(match["line"] or 0), match["rule"] or "", match["key"] or "", match["text"])
