"""An office on SQLite in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import metadata
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    metadata.create_all(engine)
    yield Office(engine)
    engine.dispose()
