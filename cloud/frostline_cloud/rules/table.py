"""A backtest for people: how early rules warned, in a few words or as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frostline_cloud.rules.backtest import Found, Score

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000


def table(found: Sequence[Found], scores: Sequence[Score]) -> Iterator[str]:
    """The lines of a table: rule, kind, alerts, how early before each event, false alarms in a week."""
    labels = [warned.event.label for warned in scores[0].warned] if scores else []
    yield _line(["rule", "kind", "alerts", *labels, "false alarms a week"])
    yield _line(["---", "---", "---:", *("---:" for _ in labels), "---:"])
    for one, score in zip(found, scores, strict=True):
        early = [early_text(warned.early_ms) for warned in score.warned]
        yield _line([one.rule.id, one.rule.type, str(len(one.alerts)), *early, rate_text(score)])


def early_text(early_ms: int | None) -> str:
    """How early a warning was."""
    if early_ms is None:
        return "no warning"
    return f"{span_text(early_ms)} before" if early_ms >= 0 else f"{span_text(-early_ms)} after it began"


def rate_text(score: Score) -> str:
    """False alarms in a week; `-` where nothing was measured."""
    return "-" if score.per_week is None else f"{score.per_week:.2f}"


def span_text(ms: int) -> str:
    """A span of time."""
    if ms < 2 * _HOUR_MS:
        return f"{ms / _MINUTE_MS:.0f} min"
    return f"{ms / _HOUR_MS:.1f} h" if ms < 2 * _DAY_MS else f"{ms / _DAY_MS:.1f} d"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
