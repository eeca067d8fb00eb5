"""Silences: what is not told for a while. What they cover goes on being evaluated, recorded and shown.

A silence matches an alert when each of its matchers does; `*` and `?` are wildcards. It has an owner, a reason and an
end, so that nobody has to remember to switch alerts on again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from frostline_cloud.sql.tables import silence
from frostline_core.errors import ConfigError

LONGEST_MS: Final = 30 * 24 * 3600 * 1000
"""How long a silence may last."""

MOST_SILENCES: Final = 1000
"""How many may be in force or to come at once: each piece of news is compared with all of them."""

NAMES: Final = ("site", "node", "device", "metric", "rule", "severity")
"""What a matcher may look at, besides `label.<key>`."""

LABEL: Final = "label."
_MOST_MATCHERS = 20
_MOST_TEXT = 1000
_MOST_GLOB = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """What silences and inhibition look at.

    Attributes:
        id: The alert's id.
        rule: Its rule's id.
        rule_type: For example `absence`; "" where not known.
        site: Of the series.
        node: Of the series.
        device: Of the series.
        metric: Of the series.
        severity: Now.
        labels: Of the device.
    """

    id: str
    rule: str
    rule_type: str
    site: str
    node: str
    device: str
    metric: str
    severity: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Any) -> Subject:
        """The subject that is a row of the table `alert`, or an Incident."""
        evidence: Mapping[str, Any] = row.evidence or {}
        rule_type = (evidence.get("rule") or {}).get("content", {}).get("type", "")
        labels = {str(key): str(value) for key, value in (evidence.get("labels") or {}).items()}
        return cls(row.id, row.rule, rule_type, row.site, row.node, row.device, row.metric, row.severity, labels)


@dataclass(frozen=True, slots=True)
class Silence:
    """A row of the table `silence`.

    Attributes:
        id: Its number; 0 before it is written.
        matchers: Name (of `NAMES`, or `label.<key>`) to pattern.
        reason: Why.
        author: Who.
        from_ms: When it begins, by the clock.
        to_ms: When it ends.
        created_ms: When it was written.
        ended_by: Who ended it before its time.
    """

    id: int
    matchers: Mapping[str, str]
    reason: str
    author: str
    from_ms: int
    to_ms: int
    created_ms: int = 0
    ended_by: str | None = None

    def matches(self, subject: Subject) -> bool:
        """Whether every matcher fits."""
        return all(_fits(name, pattern, subject) for name, pattern in self.matchers.items())


def add_silence(connection: Connection, wanted: Silence) -> int:
    """Writes a silence; returns its number.

    Raises:
        ConfigError: It has no matcher, one that is not known or that matches everything, no reason, an end that is not
            after its beginning or too far away, or there are `MOST_SILENCES` already.
    """
    _check(wanted)
    if wanted.to_ms <= max(wanted.from_ms, wanted.created_ms):
        raise ConfigError("a silence ends after it begins, and not in the past")
    if wanted.to_ms - max(wanted.from_ms, wanted.created_ms) > LONGEST_MS:
        raise ConfigError("a silence lasts at most 30 days")
    if wanted.from_ms > wanted.created_ms + LONGEST_MS:
        raise ConfigError("a silence begins at most 30 days ahead")
    count = select(func.count()).select_from(silence).where(silence.c.to_ms > wanted.created_ms)
    if (connection.scalar(count) or 0) >= MOST_SILENCES:
        raise ConfigError(f"there are {MOST_SILENCES} silences already")
    row = {name: getattr(wanted, name) for name in ("reason", "author", "from_ms", "to_ms", "created_ms")}
    made = connection.execute(insert(silence).values(matchers=dict(wanted.matchers), **row)).inserted_primary_key
    return int(made[0]) if made is not None else 0


def end_silence(connection: Connection, number: int, who: str, now_ms: int) -> bool:
    """Ends a silence now; returns whether there was anything to end."""
    mine = (silence.c.id == number, silence.c.to_ms > now_ms)
    return connection.execute(update(silence).where(*mine).values(to_ms=now_ms, ended_by=who)).rowcount == 1


def silences(connection: Connection, since_ms: int, limit: int = MOST_SILENCES) -> list[Silence]:
    """Those that end after an instant, the one that ends first before the others."""
    query = select(silence).where(silence.c.to_ms > since_ms).order_by(silence.c.to_ms, silence.c.id).limit(limit)
    return [_silence(row) for row in connection.execute(query)]


def in_force(connection: Connection, now_ms: int) -> Sequence[Silence]:
    """Those that count now."""
    return [each for each in silences(connection, now_ms) if each.from_ms <= now_ms]


def _silence(row: Row[Any]) -> Silence:
    return Silence(
        row.id, row.matchers, row.reason, row.author, row.from_ms, row.to_ms, row.created_ms, row.ended_by
    )  # fmt: skip


def check_matchers(matchers: Mapping[str, str]) -> None:
    """Whether a silence may have these matchers.

    Raises:
        ConfigError: There is none, one is not known or has no pattern, or together they match everything.
    """
    if not matchers or len(matchers) > _MOST_MATCHERS:
        raise ConfigError(f"a silence has 1 to {_MOST_MATCHERS} matchers")
    for name, pattern in matchers.items():
        if name not in NAMES and not (name.startswith(LABEL) and len(name) > len(LABEL)):
            raise ConfigError(f"no matcher '{name}': use {', '.join(NAMES)} or {LABEL}<key>")
        if not 0 < len(pattern) <= _MOST_GLOB:
            raise ConfigError(f"matcher '{name}': the pattern has 1 to {_MOST_GLOB} characters")
    if all(set(pattern) == {"*"} for pattern in matchers.values()):
        raise ConfigError("a silence of everything is not one: name a site, a rule or a device")


def _check(wanted: Silence) -> None:
    check_matchers(wanted.matchers)
    if not wanted.reason.strip() or len(wanted.reason) > _MOST_TEXT:
        raise ConfigError(f"a silence has a reason of 1 to {_MOST_TEXT} characters")


def _fits(name: str, pattern: str, subject: Subject) -> bool:
    if name.startswith(LABEL):
        found = subject.labels.get(name.removeprefix(LABEL))
        return found is not None and fnmatchcase(found, pattern)
    return name in NAMES and fnmatchcase(str(getattr(subject, name)), pattern)
