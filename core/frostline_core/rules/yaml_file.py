"""YAML, as far as it means the same to everybody: mappings, lists, texts, numbers, true and false.

YAML 1.1 reads an unquoted `no` as false, `12:30` as 750, `010` as 8 and `1e3` as a text; YAML 1.2 reads all of them
otherwise. What the two read differently is refused with its line, unless it is quoted; so are tags, anchors and
aliases, a key that is given twice, and a value that is missing. `1e3` is a number, as in TOML and JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from frostline_core.errors import ConfigError

MOST_DEEP = 20
"""How deep mappings and lists may be nested."""

Path = tuple[str | int, ...]
"""Keys and positions from the top."""

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FLAGS = {"true": True, "false": False}
_DOUBTFUL = {
    "a flag in some readers, a text in others; write true or false, or quote it": re.compile(
        r"(?i:y|yes|n|no|on|off)|True|TRUE|False|FALSE"
    ),
    "no value; leave the key out, or quote it": re.compile(r"(?i:null)|~|"),
    "no finite number": re.compile(r"[-+]?\.(?i:inf|nan)"),
    "a number to base 60 in some readers; quote it": re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"),
    "a number to base 2, 8 or 16 in some readers; write it as a decimal number, or quote it": re.compile(
        r"[-+]?0(?:[0-9_]+|[xob][0-9a-fA-F_]+)"
    ),
    "a number in some readers; write it without _ and leading zeros, or quote it": re.compile(
        r"[-+]?[0-9][0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9]+)?"
    ),
}


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file says.

    Attributes:
        content: Its mapping; empty for an empty file.
        lines: The line, from 1, of each key and each item of a list.
    """

    content: dict[str, Any]
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of a key, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def read(text: str, source: str) -> Document:
    """Reads a YAML text.

    Args:
        text: Of at most a few megabytes; the caller sees to that.
        source: What errors name before the line.

    Raises:
        ConfigError: It is no YAML, says something that readers differ about, or PyYAML is not installed.
    """
    try:
        import yaml  # only where there is a YAML file: a gateway with TOML does without
    except ModuleNotFoundError as error:
        raise ConfigError(f"{source}: to read YAML install pyyaml, or write the file as TOML") from error
    try:
        return _Reader(yaml.parse(text, Loader=yaml.SafeLoader), source).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark is not None else source
        raise ConfigError(f"{where}: is not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: is not valid YAML: {str(error).splitlines()[0]}") from error


class _Reader:
    """Builds values from PyYAML's events, which are the same for every version of YAML."""

    def __init__(self, events: Iterator[Any], source: str) -> None:
        self._events, self._source = events, source
        self._lines: dict[Path, int] = {}

    def document(self) -> Document:
        """The one document of the text."""
        self._next()  # the stream's start
        begin = self._next()
        if _is(begin, "StreamEnd"):
            return Document({})
        first = self._next()
        if _is(first, "Scalar") and first.value == "" and first.style is None:  # nothing but comments
            content: Any = {}
        elif _is(first, "MappingStart"):
            content = self._value(first, ())
        else:
            raise self._fault(first, "must be a mapping, such as `rule:` with a list below")
        self._next()  # the document's end
        after = self._next()
        if not _is(after, "StreamEnd"):
            raise self._fault(after, "holds more than one document; a file is one")
        return Document(content, self._lines)

    def _value(self, event: Any, path: Path) -> Any:
        if _is(event, "Alias") or event.anchor is not None:
            raise self._fault(event, "anchors and aliases are not read; write the value out")
        if event.tag not in (None, "!"):
            raise self._fault(event, f"the tag {event.tag} is not read; quote what is a text")
        if len(path) > MOST_DEEP:
            raise self._fault(event, f"is nested deeper than {MOST_DEEP}")
        if _is(event, "MappingStart"):
            return self._mapping(path)
        return self._list(path) if _is(event, "SequenceStart") else self._scalar(event, path)

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not _is(event := self._next(), "MappingEnd"):
            if not _is(event, "Scalar"):
                raise self._fault(event, "a key is a plain word")
            key = self._value(event, (*path, str(event.value)))
            if key == "<<" and event.style is None:  # in quotes it is a text like others
                raise self._fault(event, "`<<` is not read; write the keys out")
            if not isinstance(key, str):
                raise self._fault(event, f"{event.value:.40}: a key is a text; quote it")
            if key in found:
                raise self._fault(event, f"{key}: is given twice")
            self._lines[*path, key] = event.start_mark.line + 1
            found[key] = self._value(self._next(), (*path, key))
        return found

    def _list(self, path: Path) -> list[Any]:
        found: list[Any] = []
        while not _is(event := self._next(), "SequenceEnd"):
            here = (*path, len(found))
            self._lines[here] = event.start_mark.line + 1
            found.append(self._value(event, here))
        return found

    def _scalar(self, event: Any, path: Path) -> Any:
        text = str(event.value)
        if event.style is not None:
            return self._sound(event, text)
        if text in _FLAGS:
            return _FLAGS[text]
        if _INTEGER.fullmatch(text):
            return self._finite(event, path, int) if len(text) <= 20 else self._finite(event, path, float)
        if _NUMBER.fullmatch(text):
            return self._finite(event, path, float)
        for why, pattern in _DOUBTFUL.items():
            if pattern.fullmatch(text):
                raise self._fault(event, f"{_name(path)}: {text or 'nothing'} is {why}")
        return text

    def _sound(self, event: Any, text: str) -> str:
        """A quoted text; two escapes that are one character in JSON are one here, too."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise self._fault(event, "holds half a character") from error

    def _finite(self, event: Any, path: Path, kind: type[int] | type[float]) -> int | float:
        number = kind(event.value)
        if number in (float("inf"), float("-inf")):
            raise self._fault(event, f"{_name(path)}: {event.value:.40} is no finite number")
        return number

    def _next(self) -> Any:
        return next(self._events)

    def _fault(self, event: Any, text: str) -> ConfigError:
        return ConfigError(f"{self._source}:{event.start_mark.line + 1}: {text}")


def _name(path: Path) -> str:
    """The key that a value belongs to; of an item of a list, the list's."""
    return next(str(part) for part in reversed(path) if isinstance(part, str))


def _is(event: Any, name: str) -> bool:
    return type(event).__name__ == f"{name}Event"
