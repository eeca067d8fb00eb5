"""What was measured, as facts in words beside the chart: nothing is said by the chart alone."""

from __future__ import annotations

from frostline_cloud.api.alerts import AlertDetailOut
from frostline_cloud.console.incident.behind import tau_s
from frostline_cloud.console.incident.measured import Measured
from frostline_cloud.console.wall import Wall
from frostline_cloud.console.words import number, span

Fact = tuple[str, str]


def facts(alert: AlertDetailOut, found: Measured, wall: Wall) -> list[Fact]:
    """Names and values, in the order in which they are read."""
    evidence, unit = found.evidence, found.unit
    rule = evidence.rule or {}
    said: list[Fact] = [
        ("Began", wall.text(evidence.begin_ms)),
        ("Ended", "lasts" if evidence.end_ms is None else wall.text(evidence.end_ms)),
        ("Duration", span(evidence.duration_ms)),
        ("Lowest", number(evidence.low, unit)),
        ("Highest", number(evidence.high, unit)),
        ("Mean", number(evidence.mean, unit)),
        ("Samples", f"{evidence.count:,}"),
        ("Known for", coverage(evidence.coverage)),
        ("Suppressed", span(evidence.suppressed_ms) if evidence.suppressed_ms else "never"),
        ("Limits then", "; ".join(each.text for each in found.limits) or _passed(found, unit)),
        ("Rule then", _rule(alert.rule, rule)),
    ]
    buffer_s = tau_s(alert)
    if buffer_s is not None:
        said.append(
            ("Limits are for", f"the virtual buffer of {span(buffer_s * 1000)}, derived from what was measured")
        )
    if rule.get("category"):
        said.append(("Category", str(rule["category"])))
    frozen = evidence.frozen_ms
    said.append(("Evidence", "as the store has it now" if frozen is None else f"frozen {wall.text(frozen)}"))
    return said


def coverage(part: float | None) -> str:
    """The part of its time that samples speak for, and what that means."""
    if part is None:
        return "no time to speak of"
    if part >= 0.9995:
        return "all of its time"
    return f"{part:.1%} of its time; the rest is unknown"


def handling(alert: AlertDetailOut, wall: Wall) -> list[Fact]:
    """What people made of it."""
    about = alert.handling
    said: list[Fact] = []
    if alert.acknowledged_ms is not None:
        said.append(("Seen by", f"{alert.acknowledged_by}, {wall.text(alert.acknowledged_ms)}"))
    if about is None:
        return said
    if about.assignee:
        said.append(("Assigned to", about.assignee))
    if about.shelved_until_ms is not None:
        said.append(
            ("Shelved", f"until {wall.text(about.shelved_until_ms)} by {about.shelved_by}: {about.shelve_reason}")
        )
    if about.muted:
        said.append(("Not told", f"{about.muted} by {about.muted_by}"))
    if about.closed_ms is not None:
        said.append(("Closed", f"{wall.text(about.closed_ms)} by {about.closed_by}"))
        said.append(("Cause", about.cause or "not said"))
        said.append(("Goods", about.disposition or "not said"))
    return said


def _passed(found: Measured, unit: str) -> str:
    limit = found.evidence.limit
    return "none in the metric's unit" if limit is None else f"{limit:g} {unit}".rstrip()


def _rule(rule_id: str, rule: dict[str, object]) -> str:
    number = rule.get("number")
    version = f", version {number}" if number is not None else ""
    return f"{rule_id}{version}"
