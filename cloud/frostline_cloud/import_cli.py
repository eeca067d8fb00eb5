"""`frostline cloud import`: history from a CSV file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from sqlalchemy import Engine

from frostline_cloud.config import load_cloud
from frostline_cloud.importer import Imported, Into, Mapped, import_csv
from frostline_cloud.instant import now_ms
from frostline_cloud.shell import ConfigPath, opened
from frostline_cloud.sql import imports, translated
from frostline_cloud.store import Place, open_store
from frostline_core.errors import ConfigError

_NAME = re.compile(r"^[A-Za-z0-9_.-]+$")


def import_history(  # noqa: PLR0913 - the options of the command
    file: Annotated[Path, typer.Argument(help="CSV, UTF-8, with a heading.")],
    config: ConfigPath,
    device: Annotated[str, typer.Option(help="SITE/NODE/DEVICE.")],
    kind: Annotated[str, typer.Option(help="What the device is, for example cold_room.")],
    metric: Annotated[str, typer.Option(help="The metric, for example air_temperature.")],
    zone: Annotated[str, typer.Option(help="Where the device stands.")] = "",
    time_column: Annotated[str, typer.Option(help="RFC 3339, local times, or UTC milliseconds.")] = "timestamp",
    value_column: Annotated[str, typer.Option(help="Numbers, or true and false.")] = "value",
    time_zone: Annotated[str, typer.Option(help="Of times without a zone, for example Europe/Amsterdam.")] = "UTC",
    source_unit: Annotated[str, typer.Option(help="UCUM code of the file's values, for example \\[degF].")] = "",
    unit: Annotated[str, typer.Option(help="UCUM code of the metric, for example Cel.")] = "",
    delimiter: Annotated[str, typer.Option(help="Between columns.")] = ",",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Store the history of one series. May be repeated; overwrites nothing. Exit code 1 when rows are refused."""
    place = _place(device, kind, zone)
    if not _NAME.match(metric):
        raise ConfigError(f"--metric: letters, digits, _ . -, not '{metric}'")
    if bool(source_unit) != bool(unit):
        raise ConfigError("give --source-unit and --unit, or neither")
    if len(delimiter) != 1:
        raise ConfigError("--delimiter: one character")
    mapped = Mapped(place, metric, time_column, value_column, _zone(time_zone), source_unit, unit, delimiter)
    loaded = load_cloud(config)
    with opened(loaded) as engine:
        store = open_store(loaded.store)
        try:
            with _progress(file, quiet=as_json) as progress:
                done = import_csv(file, mapped, Into(store, now_ms(), _listed(engine, mapped, file)), progress)
        finally:
            store.close()
    _show(file, done, as_json=as_json)
    if done.refused:
        raise typer.Exit(1)


def _listed(engine: Engine, mapped: Mapped, file: Path) -> Callable[[Imported], None]:
    """Makes the device known, and lists after each batch what came from the file; no gateway's account has it.

    Raises:
        ConfigError: The device is known as something else.
    """
    place, source = mapped.place, file.name[-imports.MOST_SOURCE :]
    key = (place.site, place.node, place.device, mapped.metric, source)
    with translated("SQL"), engine.begin() as connection:
        imports.enlist(connection, place, mapped.metric, mapped.unit, now_ms())
        before = imports.written_before(connection, imports.History(*key, 0, 0, 0, 0, 0, 0))

    def note(done: Imported) -> None:
        counts = (before + done.written, done.known, done.refused)
        history = imports.History(*key, done.first_ms, done.last_ms, *counts, now_ms())
        with translated("SQL"), engine.begin() as connection:
            imports.note(connection, [history])

    return note


def _place(device: str, kind: str, zone: str) -> Place:
    parts = device.split("/")
    if len(parts) != 3 or not all(_NAME.match(part) for part in parts):
        raise ConfigError(f"--device: SITE/NODE/DEVICE of letters, digits, _ . -, not '{device}'")
    if not _NAME.match(kind):
        raise ConfigError(f"--kind: letters, digits, _ . -, not '{kind}'")
    return Place(kind, parts[0], parts[1], parts[2], zone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"--time-zone: '{name}' is not known; write it as Europe/Amsterdam") from error


@contextmanager
def _progress(file: Path, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    if quiet or not file.is_file():
        yield lambda _read: None
        return
    size = max(1, file.stat().st_size)
    with typer.progressbar(length=size, label="import", file=typer.get_text_stream("stderr")) as bar:
        yield lambda read: bar.update(max(0, min(read, size) - bar.pos))


def _show(file: Path, done: Imported, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"file": str(file), **asdict(done)}))
        return
    for each in done.listed:
        typer.echo(f"{file}: line {each.line}: {each.reason}", err=True)
    if done.refused > len(done.listed):
        typer.echo(f"and {done.refused - len(done.listed)} more", err=True)
    typer.echo(f"read {done.read}: {done.written} written, {done.known} known before, {done.refused} refused")
