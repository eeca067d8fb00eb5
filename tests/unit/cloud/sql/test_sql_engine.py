"""Opening SQL: durability settings, locks, and errors with a remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError

from frostline_cloud.ingest.refusal import refusals
from frostline_cloud.sql import SqlConfig, migrate, open_engine, read_only, translated
from frostline_cloud.sql.tables import alert_event, setting
from frostline_core.config import parse
from frostline_core.errors import ConfigError, UnavailableError


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/deep/er/a.db")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("pragma", "wanted"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 4000)]
)
def test_a_sqlite_connection_is_durable_and_checked(engine: Engine, pragma: str, wanted: object) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text(f"PRAGMA {pragma}")) == wanted


def test_nobody_else_on_the_machine_can_read_the_database(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(setting).values(key="k", value="v"))
        files = list(Path(str(engine.url.database)).parent.iterdir())
        assert len(files) == 3
        assert [file.name for file in files if file.stat().st_mode & 0o077] == []


def test_a_place_that_cannot_be_written_is_refused_with_its_name() -> None:
    with pytest.raises(ConfigError, match=r"/proc/frostline/a\.db cannot be made"):
        open_engine("sqlite:////proc/frostline/a.db")


def test_a_reader_works_while_a_writer_holds_the_lock(engine: Engine) -> None:
    with engine.begin() as writing:
        writing.execute(insert(setting).values(key="k", value="new"))
        with read_only(engine).connect() as reading:
            assert reading.execute(select(setting)).all() == []


def test_a_second_writer_is_told_that_the_database_is_locked(engine: Engine) -> None:
    other = open_engine(str(engine.url))

    @event.listens_for(other, "checkout")
    def _impatient(connection: sqlite3.Connection, *_rest: object) -> None:
        connection.execute("PRAGMA busy_timeout = 1")

    with engine.begin(), pytest.raises(UnavailableError, match="locked"), translated("sql"), other.begin():
        pass
    other.dispose()


def test_a_transaction_that_fails_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(RuntimeError), engine.begin() as connection:
        connection.execute(insert(setting).values(key="k", value="v"))
        raise RuntimeError
    with engine.connect() as connection:
        assert connection.execute(select(setting)).all() == []


def test_a_broken_reference_is_an_error_of_the_program_not_of_the_database(engine: Engine) -> None:
    row = {"alert": "nobody", "revision": 1, "before": "ok", "after": "firing", "at_ms": 0, "noted_ms": 0, "note": ""}
    with pytest.raises(IntegrityError), translated(), engine.begin() as connection:
        connection.execute(insert(alert_event).values(**row))


def test_a_full_disk_is_unavailable(engine: Engine) -> None:
    with pytest.raises(UnavailableError, match="full"), translated("sql"), engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.execute(insert(setting).values(key="k", value="x" * 1_000_000))


def test_a_damaged_database_is_unavailable_and_refuses_no_data(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(setting), [{"key": f"k{n}", "value": "x" * 2_000} for n in range(200)])
    engine.dispose()
    path = Path(str(engine.url.database))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    rows = [{"key": f"n{n}", "value": "x" * 2_000} for n in range(200)]
    with pytest.raises(UnavailableError, match="damaged"), refusals(), translated(), engine.begin() as connection:
        connection.execute(select(setting.c.value)).all()
        connection.execute(insert(setting), rows)


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"nothing that anybody could read as a database" * 100)
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(UnavailableError, match="damaged"):
        migrate(engine)
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://host/db", "not a url", ""])
def test_an_unusable_url_is_refused_with_a_remedy(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///path"):
        open_engine(url)


def test_a_password_in_the_config_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\$\{env:NAME\}"):
        parse({"url": "postgresql://frost:hunter2@db/frost"}, SqlConfig, "cloud.toml")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://frost@db/frost",
        "postgresql://frost@db/frost?sslmode=prefer",
        "postgresql://frost@/frost?host=127.0.0.1:5432&host=db:5432",
    ],
)
def test_postgresql_on_another_machine_needs_a_word_about_tls(url: str) -> None:
    with pytest.raises(ConfigError, match=r"PostgreSQL on db, .*sslmode=verify-full"):
        open_engine(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://frost@db/frost?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://frost@db/frost?sslmode=disable",
        "postgresql://frost@localhost:5433/frost",
        "postgresql://frost@[::1]/frost",
        "postgresql://frost@/frost?host=127.0.0.1:5432&host=[::1]:5433",
        "postgresql:///frost?host=/run/postgresql",
        "postgresql:///frost",
    ],
)
def test_postgresql_here_needs_none(url: str) -> None:
    open_engine(url).dispose()


def test_a_url_may_be_a_reference(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/b.db\n")
    config = parse({"url": f"${{file:{tmp_path}/url}}"}, SqlConfig, "cloud.toml")
    engine = open_engine(config.url)
    assert engine.url.database == f"{tmp_path}/b.db"
    engine.dispose()
