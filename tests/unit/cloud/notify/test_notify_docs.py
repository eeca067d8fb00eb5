"""What docs/notifications.md says can be used as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from frostline_cloud.notify.config import CanaryConfig, NotifyConfig
from frostline_cloud.notify.grouping import GroupConfig
from frostline_cloud.notify.oncall import Rotation, RotationConfig, cover
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.notify.routing import RouteConfig, gaps
from frostline_cloud.notify.texts.fields import DIGEST_FIELDS, FIELDS, GROUP_FIELDS
from frostline_core.config import ConfigModel, parse

NOW = 1_770_000_000_000
PAGE = (Path(__file__).parents[4] / "docs" / "notifications.md").read_text()
TABLES = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]


def test_every_table_of_the_page_is_accepted() -> None:
    models: dict[str, type[ConfigModel]] = {
        "notify": NotifyConfig, "canary": CanaryConfig, "budget": BudgetConfig, "group": GroupConfig
    }  # fmt: skip
    seen = set()
    for table in TABLES:
        for name, content in table.items():
            seen.add(name)
            if name == "rotation":
                assert [parse(each, RotationConfig, "docs") for each in content]
            elif name != "route":
                parse(content, models[name], "docs")
    assert seen == {"rotation", "route", "notify", "canary", "budget", "group"}


def test_the_group_of_the_page_is_the_default() -> None:
    (group,) = (table["group"] for table in TABLES if "group" in table)

    assert parse(group, GroupConfig, "docs") == GroupConfig()


def test_the_routes_of_the_page_leave_no_gap() -> None:
    tables = [table["route"] for table in TABLES if "route" in table]

    assert len(tables) == 2
    for some in tables:
        assert gaps([parse(each, RouteConfig, "docs") for each in some], NOW) == []


def test_the_rotation_of_the_page_leaves_nobody_out_and_shows_the_defaults() -> None:
    (text,) = (block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[[rotation]]" in block)
    (made,) = tomllib.loads(text)["rotation"]
    defaults = tomllib.loads("\n".join(re.findall(r"^# (\w+ = .*)$", text, re.MULTILINE)))
    routes = [parse(each, RouteConfig, "docs") for each in tomllib.loads(text)["route"]]

    assert parse({**made, **defaults}, RotationConfig, "docs") == parse(made, RotationConfig, "docs")
    assert cover.gaps([Rotation.of(parse(made, RotationConfig, "docs"))], routes, NOW) == []


def test_the_page_names_every_field() -> None:
    named = set(re.findall(r"[a-z_]+", PAGE[PAGE.index("Fields:") : PAGE.index("A language of your own")]))

    assert named >= FIELDS | DIGEST_FIELDS | GROUP_FIELDS
