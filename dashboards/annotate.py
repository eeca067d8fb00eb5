"""Frostline's alerts as annotations in Grafana: `python -m dashboards.annotate --help`.

Grafana reads the database, and alerts are not in there. So this reads them from Frostline's API and writes each as an
annotation with the tag `frostline-alert`, which the dashboards show: a line where it began while it lasts, a span once
it is over. Run again it changes only what is new; it never deletes. Bounds: the newest 500 alerts, 10 s a call.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import typer
from grafana_client import GrafanaApi, TokenAuth  # type: ignore[import-untyped]  # it has no types
from grafana_client.client import GrafanaException  # type: ignore[import-untyped]  # it has no types
from requests import RequestException

TAG: Final = "frostline-alert"
"""What the annotation query of the dashboards asks for."""

MOST: Final = 500
_PAGE: Final = 100
_TIMEOUT_S: Final = 10.0
_MOST_MARKS: Final = 5_000
_FAULTS = (GrafanaException, RequestException, OSError, ValueError, KeyError)


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation.

    Attributes:
        time_ms: Its begin, UTC milliseconds.
        end_ms: Its end; None for a line.
        tags: What it can be found by; one of them names the alert.
        text: What is wrong.
    """

    time_ms: int
    end_ms: int | None
    tags: tuple[str, ...]
    text: str


def mark_of(alert: Mapping[str, Any]) -> Mark | None:
    """The annotation of an alert, as the API has it; None for one that never fired."""
    if alert["fired_ms"] is None:
        return None
    words = (TAG, f"alert:{alert['id']}", alert["severity"], alert["site"], alert["device"], alert["category"])
    end_ms = alert["resolved_ms"]
    text = f"{alert['summary']} ({alert['state']})"
    return Mark(alert["fired_ms"], None if end_ms is None else max(end_ms, alert["fired_ms"] + 1), _tags(words), text)


def read_alerts(url: str, token: str) -> list[dict[str, Any]]:
    """The newest alerts of Frostline's API.

    Args:
        url: Where it is, without a path.
        token: Of a viewer.

    Raises:
        OSError: It does not answer, or refuses the token.
        ValueError: What it answers is no list of alerts.
    """
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) < MOST:
        asked = {"limit": _PAGE} | ({"cursor": cursor} if cursor else {})
        request = urllib.request.Request(  # noqa: S310 - an address that the operator gives
            f"{url.rstrip('/')}/api/v1/alerts?{urlencode(asked)}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            page = json.load(answer)
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    return found


def sync(grafana: GrafanaApi, alerts: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Writes what is new or has changed; returns how many were added, and how many changed.

    Raises:
        GrafanaException: Grafana refuses it.
        RequestException: It does not answer.
    """
    known = {_alert_tag(each["tags"]): each for each in _marks(grafana)}
    added = changed = 0
    for mark in filter(None, map(mark_of, alerts)):
        there = known.get(_alert_tag(mark.tags))
        told = {"time_from": mark.time_ms, "time_to": mark.end_ms, "tags": list(mark.tags), "text": mark.text}
        if there is None:
            grafana.annotations.add_annotation(**told)
            added += 1
        elif _as_mark(there) != mark:
            grafana.annotations.update_annotation(there["id"], **told)
            changed += 1
    return added, changed


def _marks(grafana: GrafanaApi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = grafana.annotations.get_annotation(
        tags=[TAG], ann_type="annotation", limit=_MOST_MARKS
    )
    return found


def _as_mark(there: Mapping[str, Any]) -> Mark:
    """What Grafana has; it gives a line an end of 0, or that of its begin."""
    end_ms = there.get("timeEnd") or None
    return Mark(there["time"], None if end_ms == there["time"] else end_ms, _tags(there["tags"]), there["text"])


def _tags(words: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({word for word in words if word}))


def _alert_tag(tags: Iterable[str]) -> str:
    return next((tag for tag in tags if tag.startswith("alert:")), "")


def connect(url: str, token: str) -> GrafanaApi:
    """Grafana's API, as a service account."""
    return GrafanaApi.from_url(url, credential=TokenAuth(token), timeout=_TIMEOUT_S)


def main(arguments: list[str] | None = None) -> int:
    """Once, or with --every until it is stopped; returns the exit code."""
    asked = _parser().parse_args(arguments)
    grafana = connect(asked.grafana, _secret(asked.grafana_token_file))
    try:
        fault = _once(grafana, asked)
        while asked.every:
            time.sleep(asked.every)
            fault = _once(grafana, asked, fault)
    finally:
        grafana.client.s.close()
    return 1 if fault else 0


def _once(grafana: GrafanaApi, asked: argparse.Namespace, before: str = "") -> str:
    """Why it was not done; "" when it was. Said once, not each time."""
    try:
        added, changed = sync(grafana, read_alerts(asked.frostline, _secret(asked.token_file)))
    except _FAULTS as error:
        if str(error) != before:
            typer.echo(f"not done: {error}", err=True)
        return str(error) or type(error).__name__
    if added or changed or not asked.every:
        typer.echo(f"added {added}, changed {changed}")
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dashboards.annotate", description="Alerts as annotations.")
    parser.add_argument("--grafana", required=True, help="Grafana's address, such as http://127.0.0.1:3000.")
    parser.add_argument("--grafana-token-file", required=True, type=Path, help="Token of a service account (Editor).")
    parser.add_argument("--frostline", required=True, help="The console's address, such as http://127.0.0.1:8080.")
    parser.add_argument("--token-file", required=True, type=Path, help="Token of a viewer: `frostline cloud token`.")
    parser.add_argument("--every", type=float, default=0.0, help="Again each so many seconds; once if absent.")
    return parser


def _secret(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    sys.exit(main())
