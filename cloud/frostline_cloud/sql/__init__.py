"""SQL: registry, commit protocol, alerts, outbox, account and access, in SQLite or PostgreSQL."""

from frostline_cloud.sql.engine import SqlConfig, in_front, migrate, open_engine, read_only, translated
from frostline_cloud.sql.heartbeat import beat, last_beat
from frostline_cloud.sql.retention import RetentionConfig, tidy

__all__ = [
    "RetentionConfig",
    "SqlConfig",
    "beat",
    "in_front",
    "last_beat",
    "migrate",
    "open_engine",
    "read_only",
    "tidy",
    "translated",
]
