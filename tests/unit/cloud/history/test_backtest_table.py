"""The table of docs/backtest.md is what the data say; skipped where the data are not there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from frostline_cloud.cli import app as cloud
from frostline_cloud.rules_cli import app as rules

ROOT = Path(__file__).parents[4]
DATA = Path(os.environ.get("FROSTLINE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "machine_temperature.csv"
DEVICE = ["--device", "lab/bench/machine", "--kind", "machine"]


def block(text: str, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


@pytest.mark.skipif(not DATA.is_file(), reason=f"{DATA} is not there")
def test_the_table_is_what_the_data_say(tmp_path: Path) -> None:
    doc = (ROOT / "docs" / "backtest.md").read_text()
    (tmp_path / "machine.toml").write_text(block(doc, "toml"))
    (tmp_path / "events.csv").write_text(block(doc, "csv"))
    config = tmp_path / "cloud.toml"
    config.write_text('[broker]\nurl = "mqtt://127.0.0.1:1"\n')
    run = CliRunner().invoke
    history = ["import", str(DATA), "-c", str(config), *DEVICE, "--metric", "temperature"]
    imported = run(cloud, history, catch_exceptions=False)
    span = ["--from", "2013-12-01T00:00:00Z", "--to", "2014-03-01T00:00:00Z"]
    options = ["-c", str(config), *DEVICE, *span, "--events", str(tmp_path / "events.csv"), "--table"]
    shown = run(rules, ["backtest", str(tmp_path / "machine.toml"), *options], catch_exceptions=False)

    assert "read 22695: 22683 written, 0 known before, 12 refused" in imported.stdout
    assert [line for line in shown.stdout.splitlines() if line.startswith("|")] == [
        line for line in doc.splitlines() if line.startswith("|")
    ]
