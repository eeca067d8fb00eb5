"""What docs/notifications.md says can be used as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from frostline_cloud.notify.config import CanaryConfig, NotifyConfig
from frostline_cloud.notify.grouping import GroupConfig
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.notify.routing import RouteConfig, gaps
from frostline_cloud.notify.texts.fields import DIGEST_FIELDS, FIELDS, GROUP_FIELDS
from frostline_core.config import ConfigModel, parse

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
            if name != "route":
                parse(content, models[name], "docs")
    assert seen == {"route", "notify", "canary", "budget", "group"}


def test_the_group_of_the_page_is_the_default() -> None:
    (group,) = (table["group"] for table in TABLES if "group" in table)

    assert parse(group, GroupConfig, "docs") == GroupConfig()


def test_the_routes_of_the_page_leave_no_gap() -> None:
    (tables,) = (table["route"] for table in TABLES if "route" in table)

    assert gaps([parse(each, RouteConfig, "docs") for each in tables], 1_770_000_000_000) == []


def test_the_page_names_every_field() -> None:
    named = set(re.findall(r"[a-z_]+", PAGE[PAGE.index("Fields:") : PAGE.index("A language of your own")]))

    assert named >= FIELDS | DIGEST_FIELDS | GROUP_FIELDS
