"""Logs: one line an event, as text for a person or as JSON for a collector, always UTC."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal

LogFormat = Literal["text", "json"]

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line; `extra` values become keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON with `at`, `level`, `logger`, `message` and the extras."""
        entry: dict[str, object] = {
            "at": _utc(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z WARNING frostline.uplink: message`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, with a traceback below where there is one."""
        line = f"{_utc(record.created)} {record.levelname} {record.name}: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def setup(level: str = "INFO", style: LogFormat = "text") -> None:
    """Sends every log to standard error; libraries that chat on retries are held to WARNING."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty, least in (
        ("pymodbus", logging.CRITICAL),
        ("httpx", logging.WARNING),
        ("httpcore", logging.WARNING),
        ("alembic", logging.WARNING),
        ("uvicorn", logging.WARNING),
    ):
        logging.getLogger(chatty).setLevel(least)


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"
