"""The migrations, for tests that look at where a database stands."""

from __future__ import annotations

from alembic.config import Config
from alembic.script import ScriptDirectory

from frostline_cloud.sql.engine import _MIGRATIONS


def newest() -> str:
    """The newest migration's number."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head is not None
    return head
