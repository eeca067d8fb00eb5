"""SQL of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import metadata


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """SQLite in a file, with every table; made without migrations, which takes a third of the time."""
    opened = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    metadata.create_all(opened)
    yield opened
    opened.dispose()
