"""What `frostline cloud check` finds: per part, "" or what is wrong."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from sqlalchemy import inspect, text

from frostline_cloud import identity
from frostline_cloud.config import CloudConfig
from frostline_cloud.ingest import forgotten
from frostline_cloud.notify import check_notify
from frostline_cloud.notify.canary import with_canary
from frostline_cloud.sql import open_engine, translated
from frostline_cloud.sql.tables import setting
from frostline_cloud.store import open_store
from frostline_core.errors import FrostlineError, UnavailableError
from frostline_core.rules import load_folder

_TIMEOUT_S = 5.0


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
    except OSError as error:
        host, port = config.broker.address
        return f"cannot reach the broker at {host}:{port}: {error}"
    return ""


def _rules(config: CloudConfig) -> None:
    identity.with_identity(with_canary(load_folder(config.rules.folder), config.canary))


def _notify(config: CloudConfig) -> None:
    check_notify(config.notices, time.time_ns() // 1_000_000)


def _sql(config: CloudConfig) -> None:
    engine = open_engine(config.sql.url)
    with translated("SQL"), engine.begin() as connection:
        connection.execute(text("SELECT 1"))
        has_tables = inspect(connection).has_table(setting.name)  # not before the first start
        behind = forgotten.stuck(connection, time.time_ns() // 1_000_000) if has_tables else ""
    engine.dispose()
    if behind:
        raise UnavailableError(behind)


def _store(config: CloudConfig) -> None:
    store = open_store(config.store)
    try:
        store.check()
    finally:
        store.close()


def _broker(config: CloudConfig) -> None:
    with socket.create_connection(config.broker.address, timeout=_TIMEOUT_S):
        pass
