"""What `frostline cloud check` finds: per part, "" or what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from secrets import token_hex

from sqlalchemy import inspect, text

from frostline_cloud import identity
from frostline_cloud.config import CloudConfig
from frostline_cloud.ingest import forgotten
from frostline_cloud.ingest.dial import dial
from frostline_cloud.instant import now_ms
from frostline_cloud.notify import check_notify
from frostline_cloud.notify.canary import with_canary
from frostline_cloud.sql import open_engine, translated
from frostline_cloud.sql.tables import setting
from frostline_cloud.store import open_store
from frostline_core.errors import FrostlineError, UnavailableError
from frostline_core.mqtt_wire import DISCONNECT
from frostline_core.rules import load_folder


def findings(config: CloudConfig) -> dict[str, str]:
    """Tries each part once, with time-outs."""
    parts: dict[str, Callable[[CloudConfig], None]] = {
        "rules": _rules,
        "notify": _notify,
        "sql": _sql,
        "store": _store,
        "broker": _broker,
    }
    return {name: _tried(part, config) for name, part in parts.items()}


def _tried(part: Callable[[CloudConfig], None], config: CloudConfig) -> str:
    try:
        part(config)
    except FrostlineError as error:
        return str(error)
    return ""


def _rules(config: CloudConfig) -> None:
    identity.with_identity(with_canary(load_folder(config.rules.folder), config.canary))


def _notify(config: CloudConfig) -> None:
    check_notify(config.notices, now_ms())


def _sql(config: CloudConfig) -> None:
    engine = open_engine(config.sql.url)
    try:
        with translated("SQL"), engine.begin() as connection:
            connection.execute(text("SELECT 1"))
            has_tables = inspect(connection).has_table(setting.name)  # not before the first start
            behind = forgotten.stuck(connection, now_ms()) if has_tables else ""
    finally:
        engine.dispose()
    if behind:
        raise UnavailableError(behind)


def _store(config: CloudConfig) -> None:
    with closing(open_store(config.store)) as store:
        store.check()


def _broker(config: CloudConfig) -> None:
    """A session of its own, with no will, that ends at once: the one of an ingest that runs is left alone."""
    own = config.broker.model_copy(update={"client_id": f"frostline-check-{token_hex(4)}"})
    with closing(dial(own, None).socket) as begun, suppress(OSError):  # it had answered, and that was the question
        begun.sendall(DISCONNECT)
