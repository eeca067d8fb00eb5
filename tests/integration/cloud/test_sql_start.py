"""Processes that start at once on one empty database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from frostline_cloud.sql import migrate, open_engine
from tests.support.migrations import newest
from tests.support.services import READY_S

_START = """
import sys
from frostline_cloud.sql import migrate, open_engine
migrate(open_engine(sys.argv[1]))
"""


def test_several_processes_may_migrate_an_empty_database_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    started = [
        subprocess.Popen([sys.executable, "-c", _START, url], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    try:
        ended = [(process.communicate(timeout=READY_S)[1], process.returncode) for process in started]
    finally:
        for process in started:
            process.kill()  # nothing, if it has ended
            process.communicate()
    assert [code for _, code in ended] == [0] * 4, ended
    engine = open_engine(url)
    migrate(engine)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [newest()]
    engine.dispose()
