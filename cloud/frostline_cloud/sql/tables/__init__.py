"""Every SQL table: fleet, commit protocol, rules, alerts, notifications, access. SQLite or PostgreSQL.

Times are UTC milliseconds in BigInteger columns (SQLite has no time zones). Migrations in `migrations/` are what
creates them; a test says that the two agree. Only ingest writes registry, commit and rule tables; API and notify write
the rest.
"""

from __future__ import annotations

from frostline_cloud.sql.tables.access import setting, token
from frostline_cloud.sql.tables.fleet import device, imported, metric, node, site
from frostline_cloud.sql.tables.incidents import alert, alert_event, alert_evidence, handling, local_action, silence
from frostline_cloud.sql.tables.judged import gateway_rules, pause, rule_state, rule_version, series_clock
from frostline_cloud.sql.tables.notices import (
    bundle_link,
    canary,
    delivery,
    duty_override,
    escalation,
    notice_group,
    outbox,
    receiver_health,
    used_link,
)
from frostline_cloud.sql.tables.proof import account, dead_letter, gateway_account, loss, run
from frostline_cloud.sql.tables.shape import metadata

__all__ = [
    "account",
    "alert",
    "alert_event",
    "alert_evidence",
    "bundle_link",
    "canary",
    "dead_letter",
    "delivery",
    "device",
    "duty_override",
    "escalation",
    "gateway_account",
    "gateway_rules",
    "handling",
    "imported",
    "local_action",
    "loss",
    "metadata",
    "metric",
    "node",
    "notice_group",
    "outbox",
    "pause",
    "receiver_health",
    "rule_state",
    "rule_version",
    "run",
    "series_clock",
    "setting",
    "silence",
    "site",
    "token",
    "used_link",
]
