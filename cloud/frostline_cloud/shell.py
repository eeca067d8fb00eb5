"""What commands share: options, and the SQL database that a config names."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Engine

from frostline_cloud.config import CloudConfig, load_cloud
from frostline_cloud.instant import Instant
from frostline_cloud.sql import migrate, open_engine, translated
from frostline_core.errors import ConfigError

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="cloud.toml")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]

_INSTANT: TypeAdapter[int] = TypeAdapter(Instant)


@contextmanager
def opened(config: CloudConfig) -> Iterator[Engine]:
    """The database, brought to the newest version.

    Raises:
        ConfigError: Its URL is wrong, or a newer Frostline has used it.
        UnavailableError: It does not answer.
    """
    engine = open_engine(config.sql.url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def database(path: Path) -> Iterator[Connection]:
    """One transaction on the database of a config file; it commits at its end, or leaves nothing.

    Raises:
        ConfigError: The config or the database cannot be used.
        UnavailableError: SQL does not answer.
    """
    with opened(load_cloud(path)) as engine, translated("sql"), engine.begin() as connection:
        yield connection


def instant_of(text: str, option: str) -> int:
    """UTC milliseconds that an option says.

    Raises:
        ConfigError: It is no instant.
    """
    try:
        return _INSTANT.validate_python(text)
    except ValidationError as error:
        raise ConfigError(f"{option} {text}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def who() -> str:
    """Who works here, for timelines and lists of losses."""
    return f"{getpass.getuser()} on the command line"
