"""Alerts: incidents and their timelines in SQL, and the notifications that they give rise to."""

from frostline_cloud.alerts.incident import Incident
from frostline_cloud.alerts.read import Filters, alerts, open_alerts, timeline
from frostline_cloud.alerts.record import acknowledge, record

__all__ = ["Filters", "Incident", "acknowledge", "alerts", "open_alerts", "record", "timeline"]
