"""The help of every command shows what was written: rich takes square brackets for markup unless they are escaped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text
from typer.main import get_command

from frostline_core.cli import build


def _helps(command: Any, path: str) -> Iterator[tuple[str, str]]:
    yield path, command.help or ""
    for each in command.params:
        yield f"{path} {each.name}", str(getattr(each, "help", "") or "")
    for name, child in getattr(command, "commands", {}).items():
        yield from _helps(child, f"{path} {name}")


def test_no_help_loses_what_stands_in_brackets() -> None:
    helps = dict(_helps(get_command(build([])), "frostline"))
    shown = {path: Text.from_markup(text).plain for path, text in helps.items()}
    assert shown == {path: text.replace("\\[", "[") for path, text in helps.items()}
    assert "[degF]" in shown["frostline cloud import source_unit"]
    assert len(helps) > 100
