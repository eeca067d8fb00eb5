"""An alert that was noticed late, and still fires when its samples have caught up, is told as current.

What fired more than `RETROACTIVE_MS` before anybody could know is told as a thing of the past, and pages nobody: most
such are over. Where samples come in their order (ingest was away, a link sends once an hour) nobody can say yet whether
it lasts. So it is looked at which of these alerts still fire now; that is told once, as news that escalates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Engine, select

from frostline_cloud.alerts import Incident, lookout
from frostline_cloud.alerts.incident import CURRENT, RETROACTIVE_MS, STILL
from frostline_cloud.ingest import clocks
from frostline_cloud.ingest.series import DeviceKey, metric_hash, read_clock
from frostline_cloud.sql.tables import alert
from frostline_core.rules import Phase, RuleSet, Series, Track, Transition

EVERY_S: Final = 10.0
_NO_RULES: Final = RuleSet.of([])


def watch(engine: Engine, receivers: Sequence[str], now_ms: int) -> int:
    """Tells of alerts that were noticed late and last; returns of how many.

    Args:
        engine: SQL.
        receivers: Names of those who are told.
        now_ms: UTC.

    Raises:
        UnavailableError: SQL does not answer.
    """
    return lookout.report(engine, lambda connection: _lasting(connection, now_ms), _NO_RULES, receivers, now_ms)


def _lasting(connection: Connection, now_ms: int) -> list[Transition]:
    late = select(alert).where(alert.c.state == Phase.FIRING.value, alert.c.retroactive).order_by(alert.c.id)
    found = [each for row in connection.execute(late).mappings() if _is_open_question(each := Incident.from_row(row))]
    if not found:
        return []
    times = clocks.read(connection)
    lasting = []
    for each in found:
        key = DeviceKey(each.site, each.node, each.device)
        at_ms = read_clock(times.get(key, b"")).get(metric_hash(each.metric))
        if at_ms is not None and at_ms > now_ms - RETROACTIVE_MS:
            lasting.append(_still(each, at_ms))
    return lasting


def _is_open_question(incident: Incident) -> bool:
    """Whether nobody has been told that it is current; what only a backlog knows may be over."""
    if incident.track is not Track.LIVE or incident.no_data_since_ms is not None:
        return False
    return not incident.evidence.get(CURRENT)


def _still(incident: Incident, at_ms: int) -> Transition:
    known = incident.evidence
    unit = str(known.get("unit", ""))
    where = (incident.site, incident.node, incident.device, str(known.get("kind", "")), incident.zone, incident.metric)
    series = Series(*where, dict(known.get("labels", {})), unit=unit)
    facts = {CURRENT: True, "rule_version": known.get("rule_version"), "unit": unit}
    step = (Phase.FIRING, Phase.FIRING, at_ms, incident.value, known.get("limit"), STILL)
    return Transition(incident.rule, series, *step, facts=facts)
