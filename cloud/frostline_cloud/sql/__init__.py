"""SQL: registry, commit protocol, alerts, outbox, account and access, in SQLite or PostgreSQL."""

from frostline_cloud.sql.engine import SqlConfig, migrate, open_engine, read_only, translated
from frostline_cloud.sql.retention import tidy

__all__ = ["SqlConfig", "migrate", "open_engine", "read_only", "tidy", "translated"]
