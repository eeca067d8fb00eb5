"""What `migrate` makes is what `tables` says."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from frostline_cloud.sql import engine as sql_engine
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import metadata
from frostline_core.errors import ConfigError


def test_the_migrations_make_exactly_the_declared_tables(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_indexes_and_unique_constraints_are_made_too(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    migrate(engine)
    made = inspect(engine)
    for table in metadata.sorted_tables:
        assert {i["name"] for i in made.get_indexes(table.name)} == {i.name for i in table.indexes}
    assert [u["column_names"] for u in made.get_unique_constraints("token")] == [["hash"]]
    engine.dispose()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO setting VALUES ('k', 'v')"))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT value FROM setting")) == "v"
    engine.dispose()


def test_the_newest_version_that_file_names_tell_is_where_the_migrations_lead() -> None:
    folder = Path(sql_engine.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == sql_engine.newest_version()


def test_a_database_of_a_newer_version_is_refused_with_a_remedy(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer Frostline"):
        migrate(engine)
    engine.dispose()
