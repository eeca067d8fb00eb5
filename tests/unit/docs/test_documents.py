"""What the documents tell people to type is understood: commands and their options, and the keys of config files."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
import typer.main
from typer.core import TyperGroup

from frostline_cloud.config import CloudConfig
from frostline_cloud.sql import RetentionConfig
from frostline_core.cli import build
from frostline_core.config import ConfigModel, parse
from frostline_gateway.config import GatewayConfig

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "*/README.md", "*/frostline_*/**/README.md")
    for page in ROOT.glob(pattern)
)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)


def blocks(page: str, language: str) -> Iterator[str]:
    """The code blocks of a page: fenced ones of a language (or of none), and indented ones."""
    text = (ROOT / page).read_text()
    yield from (block for name, block in _FENCED.findall(text) if name in (language, ""))
    yield from (re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in _INDENTED.findall(_FENCED.sub("", text)))


def commands(page: str) -> Iterator[tuple[str, bool]]:
    """What a page tells people to type, from `frostline` on, without comments and redirections.

    And whether it stands in a block, as it is to be typed; in a sentence it may leave out what is required.
    """
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.search(r"(?:^|[a-z] )(?<!--name )(?<!--db )(frostline [a-z-]+ [^#>|;]*)", f"{line} "):
                yield found[1], True
    prose = _INDENTED.sub("", _FENCED.sub("", (ROOT / page).read_text()))
    for quoted in re.findall(r"`([^`]+)`", prose):
        words = " ".join(quoted.split())
        if re.match(r"frostline [a-z-]+( |$)", words):
            yield re.split(r" [>|#] ?", words)[0], False


@cache
def part(name: str) -> TyperGroup:
    """The command line as it is for one part, such as `frostline cloud`."""
    whole = typer.main.get_command(build([name]))
    assert isinstance(whole, TyperGroup)
    return whole


def complaint(command: str, whole: bool = True) -> str | None:
    """What is wrong with a command: its name, its options, or how many arguments it has; None where nothing is."""
    words = shlex.split(command)[1:]
    found = part(words[0]).commands.get(words.pop(0))
    while isinstance(found, TyperGroup) and words and not words[0].startswith("-"):
        found = found.commands.get(words.pop(0))
    if found is None:
        return "no such command"
    options = {name: each for each in found.params for name in (*each.opts, *each.secondary_opts)}
    given, arguments = set(), 0
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            arguments += 1
        elif (option := options.get(word)) is None:
            return f"no option {word}"
        else:
            given.add(option.name)
            if not getattr(option, "is_flag", False) and words:
                words.pop(0)
    places = [each for each in found.params if each.param_type_name == "argument"]
    missing = [each.name for each in found.params if each.required and each not in places and each.name not in given]
    if (missing or arguments < sum(each.required for each in places)) and whole:
        return f"missing: {missing or [each.name for each in places]}"
    return "too many arguments" if arguments > sum(each.nargs if each.nargs > 0 else 99 for each in places) else None


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_one(page: str) -> None:
    faults = {command: fault for command, whole in commands(page) if (fault := complaint(command, whole))}

    assert not faults


def test_commands_are_found_in_the_pages() -> None:
    found = [command for page in PAGES for command, _ in commands(page)]

    assert len(found) > 60
    assert complaint("frostline cloud chekc") and complaint("frostline cloud check --confg x")
    assert complaint("frostline alerts shelve 7 8 --reason x --for 8h -c cloud.toml")


Config = TypeVar("Config", bound=ConfigModel)
CLOUD = {"broker": {"url": "mqtts://broker.example.net:8883"}}
GATEWAY = {"site": "berlin", "node": "gw-1"}


def settings(page: str, model: type[Config], rest: dict[str, Any]) -> list[Config]:
    """The config files of which a page shows a part, each with the rest that a whole one needs.

    Raises:
        ConfigError: A key or a value that the config does not know.
    """
    tables = [tomllib.loads(block) for block in blocks(page, "toml") if re.match(r"\[+\w+\]", block)]
    return [parse(rest | table, model, page) for table in tables]


@pytest.mark.parametrize("page", ["docs/install-cloud.md", "docs/alerts.md", "docs/deploy-compose.md"])
def test_the_clouds_settings_of_a_page_are_accepted(page: str) -> None:
    assert settings(page, CloudConfig, CLOUD)


def test_the_gateways_settings_of_its_page_are_accepted() -> None:
    assert settings("docs/install-gateway.md", GatewayConfig, GATEWAY)


def test_what_the_retention_page_calls_defaults_are_them() -> None:
    (shown,) = (block for block in blocks("docs/install-cloud.md", "toml") if block.startswith("[retention]"))

    assert parse(tomllib.loads(shown)["retention"], RetentionConfig, "docs") == RetentionConfig()


def test_what_is_commented_out_in_the_config_of_docker_works_when_it_is_not() -> None:
    text = (ROOT / "deploy/cloud.toml").read_text()
    table = tomllib.loads(re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE))

    assert [receiver.name for receiver in parse(table, CloudConfig, "deploy/cloud.toml").receiver] == ["duty-desk"]
