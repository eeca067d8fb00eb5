"""What the aliases of a dead letter meant: written down when it is buried, since they end with the session."""

from __future__ import annotations

from dataclasses import replace

from frostline_cloud.ingest.journal import DeadLetter
from frostline_core.errors import ProtocolError
from frostline_core.sparkplug import HostSession, parse


def named(session: HostSession, letter: DeadLetter) -> DeadLetter:
    """The letter with the name and type of each metric that it sends by alias.

    Args:
        session: With the births by which the message was read.
        letter: What cannot be stored; of a message that could be read.
    """
    view = session.node(letter.site, letter.node)
    if view is None:
        return letter
    try:
        metrics = parse(letter.raw).metrics
    except ProtocolError:
        return letter
    names: dict[str, list[object]] = {}
    for metric in metrics:
        bound = view.aliases.get(metric.alias) if metric.HasField("alias") else None
        if bound is not None and bound.device == letter.device:
            names[str(metric.alias)] = [bound.description.name, int(bound.description.datatype)]
    return replace(letter, names=names)
