"""The fields that a template may name, made from a notification's body for one reader."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from frostline_cloud.notify.grouping.body import PARTS
from frostline_cloud.notify.stage import Stage, stage_of
from frostline_cloud.spoken import BUFFERED, spoken
from frostline_core.units import UNITS

_SERIES: Final = ("site", "node", "device", "kind", "zone", "metric")
_INSTANTS: Final = ("opened_at", "fired_at", "resolved_at")

FIELDS: Final = frozenset(
    {
        *_SERIES,
        *_INSTANTS,
        *("stage", "severity", "title", "rule", "summary", "labels", "value", "limit", "happened_at", "noted_at"),
        *("duration", "acknowledged_by", "acknowledge_url", "alert_url", "incident", "revision", "step", "waited"),
        "metric_name",
    }
)
"""Fields of a notification of one incident."""

DIGEST_FIELDS: Final = frozenset(
    {
        *("stage", "severity", "count", "incidents", "noted_at", "listing", "by_rule", "by_site"),
        *("alerts_url", "acknowledge_url"),
    }
)
"""Fields of a digest."""

GROUP_FIELDS: Final = frozenset(
    {
        *("stage", "severity", "group", "route", "count", "counts", "noted_at", "last_told_at"),
        *("alerts_url", "acknowledge_url"),
        *(f"{part}_count" for part in PARTS),
        *PARTS,
    }
)
"""Fields of a group's message; of each part how many there are, and a line for each."""

MOST_URLS: Final = 10
"""A message that lists more alerts shows no link to each: chats cut what is long, and the console lists all."""

_NUMBER: Final = re.compile(r"\d+")
_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3_600, 60


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads.

    Attributes:
        words: Of the language: see texts/en/words.toml.
        zone: In which times are shown.
    """

    words: Mapping[str, str]
    zone: tzinfo

    def word(self, kind: str, name: str) -> str:
        """A word of the language; the name itself where it has none."""
        return self.words.get(f"{kind}.{name}", name)

    def metric(self, name: str) -> str:
        """A metric as people say it; one with a number as the words of `#` say, so that one serves all."""
        if f"metric.{name}" in self.words:
            return self.words[f"metric.{name}"]
        if name.endswith(BUFFERED) and name != BUFFERED:
            return self.metric(name.removesuffix(BUFFERED)) + self.words["buffered"]
        number = _NUMBER.search(name)
        pattern = "" if number is None else self.words.get(f"metric.{_NUMBER.sub('#', name, count=1)}", "")
        return pattern.replace("#", number[0]) if number is not None and pattern else spoken(name)

    def kind(self, name: str) -> str:
        """A kind of device as people say it."""
        return self.words.get(f"kind.{name}") or spoken(name)

    def instant(self, text: str | None) -> str:
        """A moment in the reader's zone with UTC behind it: `2026-01-31 13:00 CET (12:00 UTC)`."""
        if not text:
            return ""
        utc = datetime.fromisoformat(text).astimezone(UTC)
        local = utc.astimezone(self.zone)
        if local.utcoffset() == utc.utcoffset():
            return f"{utc:%Y-%m-%d %H:%M} UTC"
        pattern = "%H:%M" if local.date() == utc.date() else "%Y-%m-%d %H:%M"
        return f"{local:%Y-%m-%d %H:%M} {local.tzname()} ({utc.strftime(pattern)} UTC)"

    def duration(self, seconds: float) -> str:
        """The two largest units of a span: `1 h 5 min`."""
        left = max(0, round(seconds))
        parts = []
        for name, size in (("day", _DAY_S), ("hour", _HOUR_S), ("minute", _MINUTE_S), ("second", 1)):
            amount, left = divmod(left, size)
            if amount:
                parts.append(f"{amount} {self.words.get(name, name)}")
        return " ".join(parts[:2]) or f"0 {self.words.get('second', 's')}"


def fields_of(body: Mapping[str, Any], reader: Reader) -> dict[str, str]:
    """Every field that the stage has, "" where there is nothing to say."""
    if stage_of(body) is Stage.DIGEST:
        return _digest(body, reader)
    if stage_of(body) is Stage.GROUP:
        return _group(body, reader)
    incident, series, rule = body["incident"], body["series"], body["rule"]
    escalation = body.get("escalation") or {}
    labels = series.get("labels") or {}
    given = {
        "stage": reader.word("stage", stage_of(body).value),
        "severity": reader.word("severity", incident["severity"]),
        "title": rule.get("title") or rule["id"],
        "rule": rule["id"],
        "summary": body.get("summary"),
        "labels": reader.words["comma"].join(f"{key} {labels[key]}" for key in sorted(labels)),
        "value": amount(body.get("value"), body.get("unit")),
        "limit": amount(body.get("limit"), body.get("unit")),
        "happened_at": reader.instant(body.get("timestamp")),
        "noted_at": reader.instant(body.get("noted_at")),
        "duration": _lasted(incident, reader),
        "acknowledged_by": incident.get("acknowledged_by"),
        "acknowledge_url": body.get("acknowledge_url"),
        "alert_url": body.get("alert_url"),
        "incident": incident["id"],
        "revision": str(body.get("revision", "")),
        "step": str(escalation.get("step", "")),
        "waited": reader.duration(escalation["after_s"]) if escalation else "",
    }
    given |= {name: series.get(name) for name in _SERIES}
    given |= {
        "metric": reader.metric(series.get("metric") or ""),
        "metric_name": series.get("metric"),
        "kind": reader.kind(series.get("kind") or ""),
    }
    given |= {name: reader.instant(incident.get(name)) for name in _INSTANTS}
    return {name: _one_line(given[name]) for name in FIELDS}


def amount(value: float | None, unit: str | None) -> str:
    """A number with its unit's symbol; "" where there is none."""
    if value is None:
        return ""
    symbol = UNITS[unit].symbol if unit in UNITS else (unit or "")
    return f"{value:.6g} {symbol}".rstrip()


def _lasted(incident: Mapping[str, Any], reader: Reader) -> str:
    fired, resolved = incident.get("fired_at"), incident.get("resolved_at")
    if not fired or not resolved:
        return ""
    return reader.duration((datetime.fromisoformat(resolved) - datetime.fromisoformat(fired)).total_seconds())


def _digest(body: Mapping[str, Any], reader: Reader) -> dict[str, str]:
    return {
        "stage": reader.word("stage", Stage.DIGEST.value),
        "severity": reader.word("severity", body["severity"]),
        "count": str(body["count"]),
        "incidents": str(body["incidents"]),
        "noted_at": reader.instant(body["timestamp"]),
        "by_rule": _counted(body["by_rule"], reader),
        "by_site": _counted(body["by_site"], reader),
        "listing": "\n".join(_listed(body["items"], reader, with_urls=len(body["items"]) <= MOST_URLS)),
        **_urls(body),
    }


def _group(body: Mapping[str, Any], reader: Reader) -> dict[str, str]:
    counts, group, comma = body["counts"], body["group"], reader.words["comma"]
    by = [(name.removeprefix("label."), _named(name, value, reader)) for name, value in group["by"].items() if value]
    given = {
        "stage": reader.word("stage", Stage.GROUP.value),
        "severity": reader.word("severity", body["severity"]),
        "group": _one_line(comma.join(f"{reader.word('group', name)} {value}" for name, value in by) or group["route"]),
        "route": group["route"],
        "count": str(sum(counts.values())),
        "counts": reader.words["comma"].join(
            f"{counts[part]} {reader.word('part', part)}" for part in PARTS if counts[part]
        ),
        "noted_at": reader.instant(body["timestamp"]),
        "last_told_at": reader.instant(body["last_told_at"]),
    }
    given |= _urls(body)
    with_urls = sum(len(body[part]) for part in PARTS) <= MOST_URLS
    for part in PARTS:
        lines = _listed(body[part], reader, with_urls=with_urls)
        rest = counts[part] - len(body[part])
        given |= {f"{part}_count": str(counts[part] or ""), part: "\n".join(lines + ([f"+ {rest}"] if rest else []))}
    return given


def _named(name: str, value: str, reader: Reader) -> str:
    """A value by which alerts are told together."""
    return reader.metric(value) if name == "metric" else reader.kind(value) if name == "kind" else value


def _counted(counts: Sequence[Mapping[str, Any]], reader: Reader) -> str:
    return reader.words["comma"].join(f"{_one_line(each['name'])} {each['count']}" for each in counts)


def _urls(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: _one_line(body.get(name)) for name in ("alerts_url", "acknowledge_url")}


def _listed(items: Sequence[Mapping[str, Any]], reader: Reader, *, with_urls: bool) -> list[str]:
    shown = []
    for item in items:
        told = fields_of(item, reader)
        lasted = f"({told['duration']})" if told["duration"] else ""
        limit = f"({reader.words['limit']} {told['limit']})" if told["limit"] and told["value"] else ""
        where = " ".join(filter(None, (told["site"], told["device"], told["metric"], told["value"], limit, lasted)))
        shown.append(f"- {told['happened_at']}  {told['stage']} [{told['severity']}] {told['title']}: {where}")
        if with_urls and told["alert_url"]:
            shown.append(f"  {told['alert_url']}")
    return shown


def _one_line(value: object) -> str:
    return " ".join(str(value).split()) if value else ""
