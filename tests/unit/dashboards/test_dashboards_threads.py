"""What users of Grafana report of provisioned alerts and dashboards cannot happen with ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.build import FOLDER, rendered

PROVISIONED = sorted((FOLDER.parent / "provisioning").rglob("*.*"))
ALERTING = {"groups", "contactPoints", "policies", "templates", "muteTimes", "deleteRules", "resetPolicies"}
"""The keys of a file that provisions alerting."""


def content(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("path", PROVISIONED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_grafana_92454_51211_57911_80347_nothing_of_alerting_is_provisioned(path: Path) -> None:
    assert path.parent.name in ("datasources", "dashboards")
    assert ALERTING.isdisjoint(content(path))


def test_grafana_105571_grafana_is_not_asked_to_manage_alerts() -> None:
    sources = [each for path in PROVISIONED for each in content(path).get("datasources", ())]

    assert sources
    assert all(each["jsonData"].get("manageAlerts") is not True for each in sources)


def test_grafana_22777_12411_a_dashboard_has_the_uid_of_its_file_and_each_has_one() -> None:
    boards = {name: json.loads(text) for name, text in rendered().items()}

    assert {name: f"{board['uid']}.json" for name, board in boards.items()} == {name: name for name in boards}
    assert all(board.get("id") is None for board in boards.values()), "a number would be another Grafana's"
