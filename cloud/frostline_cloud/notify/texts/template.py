"""A template: its first line is the subject, the rest is the text; `{field}` stands for what is told.

A line whose fields are all empty is left out, so that one template serves incidents with and without a limit, a zone
or a link. `{{` and `}}` are braces. There is nothing else: no loops, no conditions, no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final

from frostline_core.config import nearest
from frostline_core.errors import ConfigError

MOST_CHARACTERS: Final = 20_000
"""Of a template; a longer one is refused."""

MOST_SUBJECT: Final = 200
"""A longer subject is cut, with an ellipsis."""


@dataclass(frozen=True, slots=True)
class Text:
    """What people read: `subject` is one line, `body` has no line end at its end."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: for each line its parts, each the text before a field and the field's name or None."""

    lines: tuple[tuple[tuple[str, str | None], ...], ...]

    def render(self, fields: Mapping[str, str]) -> Text:
        """Fills it in; every field that it names must be there."""
        subject = " ".join(_line(self.lines[0], fields).split())
        shown = [_line(line, fields) for line in self.lines[1:] if _is_kept(line, fields)]
        body = "\n".join(shown).strip("\n")
        while "\n\n\n" in body:
            body = body.replace("\n\n\n", "\n\n")
        return Text(subject if len(subject) <= MOST_SUBJECT else subject[: MOST_SUBJECT - 1] + "…", body)


def parse_template(text: str, known: frozenset[str], source: str) -> Template:
    """Parses and checks a whole template.

    Args:
        text: The file's content.
        known: The fields that there are.
        source: The file, for errors.

    Raises:
        ConfigError: Every fault, a line each, with its file and line.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"{source}: longer than {MOST_CHARACTERS} characters")
    faults: list[str] = []
    lines = text.rstrip().split("\n")
    parsed = tuple(_parse(line, known, f"{source}:{number}", faults) for number, line in enumerate(lines, 1))
    if not lines[0].strip():
        faults.insert(0, f"{source}:1: the first line is the subject and must not be empty")
    if faults:
        raise ConfigError("\n".join(faults))
    return Template(parsed)


def _parse(line: str, known: frozenset[str], where: str, faults: list[str]) -> tuple[tuple[str, str | None], ...]:
    parts: list[tuple[str, str | None]] = []
    try:
        for literal, field, spec, conversion in Formatter().parse(line):
            if field is not None and (spec or conversion):
                faults.append(f"{where}: {{{field}}}: a field has no format; write {{{field}}} alone")
            elif field is not None and field not in known:
                faults.append(f"{where}: unknown field {{{field}}}{nearest(field, sorted(known))}")
            parts.append((literal, field))
    except ValueError as error:
        faults.append(f"{where}: {error}; a brace that is meant as such is written twice")
    return tuple(parts)


def _line(parts: tuple[tuple[str, str | None], ...], fields: Mapping[str, str]) -> str:
    return "".join(literal + (fields[field] if field else "") for literal, field in parts)


def _is_kept(parts: tuple[tuple[str, str | None], ...], fields: Mapping[str, str]) -> bool:
    named = [field for _, field in parts if field]
    return not named or any(fields[field] for field in named)
