"""Sends gateways the rules that they are to evaluate: once after each birth, and again when these rules change.

A gateway that has the version already does nothing; one that refuses it says so in an audited event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet
from frostline_core.rules.bundle import RULES, pack, rules_for
from frostline_core.sparkplug import HostSession, Metric

log = logging.getLogger("frostline.ingest")

EVERY_MS = 5_000
"""How often it is looked at which gateways have yet to be told."""
MOST_AT_ONCE = 50
"""Gateways told in one look; the others come with the next ones."""


class Prescriber:
    """Knows what was sent to whom; one entry for each gateway that takes rules. Belongs to ingest's thread.

    Args:
        session: Births, and commands.
        publish: Topic and payload; False while there is no broker.
    """

    def __init__(self, session: HostSession, publish: Callable[[str, bytes], bool]) -> None:
        self._session, self._publish = session, publish
        self._sent: dict[tuple[str, str], tuple[int, int, str]] = {}
        self._looked_ms = -EVERY_MS
        self._version, self._texts = "", dict[tuple[str, str], str]()

    def look(self, rules: RuleSet, now_ms: int) -> int:
        """Tells gateways that were born since, or whose rules have changed; returns how many."""
        if 0 <= now_ms - self._looked_ms < EVERY_MS:
            return 0
        self._looked_ms = now_ms
        if rules.version != self._version:
            self._version = rules.version
            self._texts.clear()
        count = 0
        for view in self._session.nodes():
            if not view.online or ("", RULES) not in view.by_name:
                continue
            wanted = (view.bd_seq, view.birth_ms, rules.version)
            if self._sent.get((view.site, view.node)) == wanted:
                continue
            text = self._text(rules, view.site, view.node)
            metric = [Metric(RULES, value=text)]
            if text and not self._publish(*self._session.command(view.site, view.node, "", metric, now_ms)):
                return count
            self._sent[view.site, view.node] = wanted
            count += 1
            if count >= MOST_AT_ONCE:
                break
        return count

    def _text(self, rules: RuleSet, site: str, node: str) -> str:
        """The bundle of a gateway; "" where it cannot be sent."""
        known = self._texts.get((site, node))
        if known is not None:
            return known
        try:
            text = pack(rules_for(rules.rules, site, node))
        except ConfigError as error:
            log.error("%s/%s keeps the rules that it has: %s", site, node, error)
            text = ""
        self._texts[site, node] = text
        return text
