"""Sends gateways the rules that they are to evaluate, and when their devices are not in service.

Each of the two is sent once after each birth, and again when it changes. A gateway that has the version already does
nothing; one that refuses it says so in an audited event. One that is away hears of it with its next birth; what it
knows of pauses ends by itself until then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from frostline_cloud.rules import Pauses
from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet, standstill
from frostline_core.rules.bundle import RULES, pack, rules_for
from frostline_core.rules.standstill import PAUSES
from frostline_core.sparkplug import HostSession, Metric, NodeView

log = logging.getLogger("frostline.ingest")

EVERY_MS = 5_000
"""How often it is looked at which gateways have yet to be told."""
MOST_AT_ONCE = 50
"""Gateways told in one look; the others come with the next ones."""


@dataclass(slots=True)
class _Letter:
    """One thing that gateways are told.

    Attributes:
        metric: The command.
        version: Of what is told to all of them.
        texts: By gateway, of that version; "" where it cannot be sent.
        sent: By gateway: session, and the hash of the text that was sent in it: what changes elsewhere is no news.
    """

    metric: str
    version: str = ""
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    sent: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)

    def renew(self, version: str) -> None:
        """Another version counts from now on."""
        if version != self.version:
            self.version = version
            self.texts.clear()


class Prescriber:
    """Knows what was sent to whom; two entries for each gateway that takes it. Belongs to ingest's thread.

    Args:
        session: Births, and commands.
        publish: Topic and payload; False while there is no broker.
    """

    def __init__(self, session: HostSession, publish: Callable[[str, bytes], bool]) -> None:
        self._session, self._publish = session, publish
        self._rules, self._pauses = _Letter(RULES), _Letter(PAUSES)
        self._looked_ms = -EVERY_MS

    def look(self, rules: RuleSet, now_ms: int, pauses: Pauses | None = None) -> int:
        """Tells gateways that were born since, or for which something has changed; returns how much was sent."""
        if 0 <= now_ms - self._looked_ms < EVERY_MS:
            return 0
        self._looked_ms = now_ms
        self._rules.renew(rules.version)
        if pauses is not None:
            self._pauses.renew(str(pauses.revision))
        count = 0
        for view in self._session.nodes():
            if not view.online:
                continue
            if pauses is not None and pauses.revision >= 0:
                # Before the rules: a new one must not sound in a room that is under maintenance.
                count += self._tell(view, self._pauses, partial(_paused, pauses, now_ms), now_ms)
            count += self._tell(view, self._rules, partial(_ruled, rules), now_ms)
            if count >= MOST_AT_ONCE:
                break
        return count

    def _tell(self, view: NodeView, letter: _Letter, text_of: Callable[[str, str], str], now_ms: int) -> int:
        key = (view.site, view.node)
        if ("", letter.metric) not in view.by_name:
            return 0
        text = letter.texts.get(key)
        if text is None:
            try:
                text = text_of(*key)
            except ConfigError as error:
                log.error("%s/%s keeps what it has: %s", *key, error)
                text = ""
            letter.texts[key] = text
        wanted = (view.bd_seq, view.birth_ms, hash(text))
        if letter.sent.get(key) == wanted:
            return 0
        metric = [Metric(letter.metric, value=text)]
        if text and not self._publish(*self._session.command(*key, "", metric, now_ms)):
            return 0
        letter.sent[key] = wanted
        return 1


def _ruled(rules: RuleSet, site: str, node: str) -> str:
    """The rules that are for a gateway."""
    return pack(rules_for(rules.rules, site, node))


def _paused(pauses: Pauses, now_ms: int, site: str, node: str) -> str:
    """The pauses of a gateway that are not over."""
    return standstill.pack([each for each in pauses.of_node(site, node) if each.to_ms > now_ms])
