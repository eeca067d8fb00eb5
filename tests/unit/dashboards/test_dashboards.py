"""The committed dashboards are the generated ones, and all belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.build import FOLDER, rendered

PROVISIONING = Path(FOLDER).parent / "provisioning"
BOARDS: list[dict[str, Any]] = [json.loads(text) for text in rendered().values()]


def _provisioned(name: str) -> Any:
    return yaml.safe_load((PROVISIONING / name / "frostline.yaml").read_text())


def test_what_is_committed_is_what_is_generated() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert committed == rendered(), "run: python -m dashboards.build"


def test_uids_are_unique_and_ours() -> None:
    uids = [board["uid"] for board in BOARDS]
    assert len(set(uids)) == len(uids)
    assert all(uid.startswith("frostline-") and len(uid) <= 40 for uid in uids)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_every_panel_reads_the_provisioned_source(board: dict[str, Any]) -> None:
    (source,) = _provisioned("datasources")["datasources"]
    found = [p["datasource"]["uid"] for p in board["panels"]]
    found += [target["datasource"]["uid"] for p in board["panels"] for target in p["targets"]]
    assert set(found) == {source["uid"]}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_panels_have_titles_of_their_own_fill_the_width_and_carry_no_alert(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    assert all("alert" not in panel for panel in board["panels"])
    widths: dict[int, int] = {}
    for panel in board["panels"]:
        widths[panel["gridPos"]["y"]] = widths.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(widths.values()) == {24}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_a_gap_stays_a_gap(board: dict[str, Any]) -> None:
    charts = [panel for panel in board["panels"] if panel["type"] == "timeseries"]
    assert charts
    for panel in charts:
        assert all(target["query"].endswith("fill(null)") for target in panel["targets"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] in (660_000, False)


def test_nobody_edits_provisioned_dashboards_in_the_browser() -> None:
    (provider,) = _provisioned("dashboards")["providers"]
    assert provider["allowUiUpdates"] is False
    assert all(board["editable"] is False for board in BOARDS)


def test_the_password_is_no_part_of_the_files() -> None:
    (source,) = _provisioned("datasources")["datasources"]
    assert source["secureJsonData"] == {"password": "$__file{/run/secrets/influx_reader_password}"}
