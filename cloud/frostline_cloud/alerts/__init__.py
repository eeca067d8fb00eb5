"""Alerts: incidents and their timelines in SQL, what people make of them, and the news that they give rise to."""

from frostline_cloud.alerts.handling import (
    Act,
    Doing,
    Handling,
    acknowledge,
    assign,
    comment,
    handlings,
    shelve,
    unshelve,
)
from frostline_cloud.alerts.incident import Incident
from frostline_cloud.alerts.mute import Gate, releasable, release
from frostline_cloud.alerts.read import Filters, alerts, one_alert, open_alerts, timeline
from frostline_cloud.alerts.record import record
from frostline_cloud.alerts.silences import Silence, Subject, add_silence, end_silence, silences

__all__ = [
    "Act",
    "Doing",
    "Filters",
    "Gate",
    "Handling",
    "Incident",
    "Silence",
    "Subject",
    "acknowledge",
    "add_silence",
    "alerts",
    "assign",
    "comment",
    "end_silence",
    "handlings",
    "one_alert",
    "open_alerts",
    "record",
    "releasable",
    "release",
    "shelve",
    "silences",
    "timeline",
    "unshelve",
]
