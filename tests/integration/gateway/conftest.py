"""Where a test's gateway has its spool."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"
