"""Dead letters taken in after all: decoded again with the births of today, stored, and moved in the account.

    dead letter -> Sparkplug -> samples -> store -> one SQL transaction: `replayed_ms`, account, list of losses

Rules do not see what is replayed: it is history. An alias means something in one session only, so each metric is found
by the name that the alias stood for when the letter came; where nobody knew it, the births must be older than that.
A letter is taken in once: whoever sets `replayed_ms` first has done it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from frostline_cloud.ingest import journal
from frostline_cloud.ingest.decode import Batch, decode
from frostline_cloud.ingest.flush import Flusher
from frostline_cloud.ingest.journal import AccountDelta, Extra
from frostline_cloud.ingest.load import Load
from frostline_cloud.ingest.registry import node_description
from frostline_cloud.ingest.series import SeriesTable
from frostline_cloud.sql import ledger, read_only, translated
from frostline_cloud.sql.tables import dead_letter, device, loss, node
from frostline_cloud.store.port import Store
from frostline_core.commit import Taken
from frostline_core.errors import FrostlineError, ProtocolError
from frostline_core.reading import DataType
from frostline_core.rules import Evaluator, RuleSet
from frostline_core.sparkplug import (
    DataCame,
    Event,
    HostSession,
    MessageType,
    NodeView,
    Refused,
    Unresolved,
    inflated,
    parse,
    topics,
)

FUTURE_MS = 300_000
_NO_RULES = RuleSet.of(())
_DATA = (MessageType.NDATA, MessageType.DDATA)


class _StaysError(FrostlineError):
    """The letter cannot be taken in; the message says why."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a letter.

    Attributes:
        id: Its number.
        samples: Written now; 0 when it stays.
        reason: Why it stays; "" when it was taken in.
    """

    id: int
    samples: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Births:
    """What SQL knows of the letter's gateway."""

    node: bytes
    devices: Mapping[str, bytes]
    newest_ms: int


def replay(engine: Engine, store: Store, letter_id: int, now_ms: int) -> Replayed | None:
    """Takes one dead letter in, if that is possible now. May be repeated, and run beside ingest.

    Args:
        engine: SQL.
        store: Where the samples belong.
        letter_id: Number of the letter.
        now_ms: UTC.

    Returns:
        What became of it; None when there is no such letter.

    Raises:
        UnavailableError: SQL or the store does not answer; nothing has changed.
    """
    with translated("SQL"), read_only(engine).connect() as connection:
        letter = ledger.one_dead_letter(connection, letter_id)
        births = None if letter is None else _births(connection, letter)
    if letter is None:
        return None
    try:
        if letter.replayed_ms is not None:
            raise _StaysError("it was taken in before")
        batch, flusher = _read(engine, store, (letter, births), now_ms)
        written = flusher.write(Load(Taken(), [batch], Extra()))
        rejected = [each.reason for each in written.buried[len(batch.refused) :]]  # by the store
        _must_be_whole(letter, batch, rejected)
        with translated("SQL"), engine.begin() as connection:
            _settle(connection, letter, batch, now_ms)
    except _StaysError as stays:
        return Replayed(letter_id, 0, str(stays))
    return Replayed(letter_id, letter.samples or batch.good, "")


def waiting(engine: Engine, span: ledger.Span) -> list[int]:
    """Numbers of the letters in a span that were not taken in, oldest first.

    Raises:
        UnavailableError: SQL does not answer.
    """
    query = select(dead_letter.c.id).where(dead_letter.c.replayed_ms.is_(None))
    limits = (
        (dead_letter.c.site == span.site, span.site),
        (dead_letter.c.node == span.node, span.node),
        (dead_letter.c.at_ms >= (span.from_ms or 0), span.from_ms),
    )
    for condition, wanted in limits:
        if wanted is not None:
            query = query.where(condition)
    with translated("SQL"), read_only(engine).connect() as connection:
        return list(connection.scalars(query.order_by(dead_letter.c.id)))


def _births(connection: Connection, letter: Row[Any]) -> _Births | None:
    of_node = (node.c.site == letter.site, node.c.node == letter.node, node.c.birth.is_not(None))
    found = connection.execute(select(node).where(*of_node)).one_or_none()
    if found is None:
        return None
    of_device = (device.c.site == letter.site, device.c.node == letter.node, device.c.birth.is_not(None))
    devices = connection.execute(select(device).where(*of_device)).all()
    own = [each.birth_ms for each in devices if each.device == letter.device]
    return _Births(found.birth, {each.device: each.birth for each in devices}, max([found.birth_ms, *own]))


def _read(engine: Engine, store: Store, found: tuple[Row[Any], _Births | None], now_ms: int) -> tuple[Batch, Flusher]:
    """The letter's samples, and what writes them."""
    letter, births = found
    message = _message(letter)
    if births is None:
        raise _StaysError("nothing is known of its gateway: it has not been born since")
    session = HostSession("replay", reorder_timeout_ms=0)
    try:
        view = session.restore(letter.site, letter.node, births.node, births.devices, now_ms)
    except ProtocolError as error:
        raise _StaysError(f"the present birth of its gateway cannot be read: {error}") from error
    view.online = True  # for this one message
    for each in view.devices.values():
        each.online = True
    evaluator = Evaluator(_NO_RULES)
    series = SeriesTable(evaluator)
    for description in (node_description(view), *(each.description for each in view.devices.values())):
        series.bind(view, description, {}, {})
    raw = _by_name(message, letter, view, births.newest_ms)
    events = session.receive(letter.topic, raw, now_ms)
    event = _data_of([*events, *session.connection_lost(now_ms)])
    batch = decode(event, now_ms + FUTURE_MS)
    return batch, Flusher(engine, store, evaluator, series, _NO_RULES, ())


def _message(letter: Row[Any]) -> Any:
    """What came, parsed."""
    try:
        topic = topics.parse(letter.topic)
        if topic.type not in _DATA:
            raise _StaysError(f"a {topic.type} has no samples; the gateway says it anew when it connects")
        return parse(inflated(letter.raw))
    except ProtocolError as error:
        raise _StaysError(f"it cannot be read: {error}") from error


def _by_name(message: Any, letter: Row[Any], view: NodeView, newest_ms: int) -> bytes:
    """The message with names for aliases, and without its place in a session that is over."""
    message.ClearField("seq")
    for metric in message.metrics:
        if not metric.HasField("alias"):
            continue
        known = (letter.names or {}).get(str(metric.alias))
        if known is not None:
            _name(metric, view, letter.device, known)
        elif letter.at_ms < newest_ms:
            raise _StaysError(
                f"its gateway was born anew since it came: nobody knows what the alias {metric.alias} stood for"
            )
    raw: bytes = message.SerializeToString()
    return raw


def _name(metric: Any, view: NodeView, device_id: str, known: Sequence[Any]) -> None:
    name, datatype = str(known[0]), DataType(known[1])
    bound = view.by_name.get((device_id, name))
    if bound is None:
        raise _StaysError(f"the present birth no longer declares the metric '{name}'")
    if bound.description.datatype != datatype:
        raise _StaysError(f"the metric '{name}' was {datatype.name} and is {bound.description.datatype.name} now")
    metric.ClearField("alias")
    metric.name = name


def _data_of(events: Iterable[Event]) -> DataCame:
    for event in events:
        if isinstance(event, DataCame):
            return event
        if isinstance(event, Refused | Unresolved):
            raise _StaysError(event.reason)
    raise _StaysError("it has no samples")


def _must_be_whole(letter: Row[Any], batch: Batch, rejected: Sequence[str]) -> None:
    """A letter leaves the list only when everything that it stands for is stored."""
    own = [f"{name}: {reason}" for name, reason in batch.refused if letter.reason.startswith(f"{name}: ")]
    still = own or ([f"{name}: {reason}" for name, reason in batch.refused] if not letter.samples else [])
    for reason in (*still, *rejected):
        raise _StaysError(reason)


def _settle(connection: Connection, letter: Row[Any], batch: Batch, now_ms: int) -> None:
    """What was counted as dead-lettered is written now; what was never counted is counted now.

    A batch that was listed as lost because of the letter is recovered: its entry stays, and says when.
    """
    mine = (dead_letter.c.id == letter.id, dead_letter.c.replayed_ms.is_(None))
    if connection.execute(update(dead_letter).where(*mine).values(replayed_ms=now_ms)).rowcount != 1:
        raise _StaysError("it was taken in meanwhile")
    if letter.run is not None:
        listed = (loss.c.run == letter.run, loss.c.first == letter.n, loss.c.last == letter.n)
        of_node = (loss.c.site == letter.site, loss.c.node == letter.node, loss.c.recovered_ms.is_(None))
        connection.execute(update(loss).where(*of_node, *listed).values(recovered_ms=now_ms))
    if letter.samples:
        delta = AccountDelta(written=letter.samples, dead_lettered=-letter.samples)
        at_ms = letter.at_ms  # of the day that counted it
    else:
        delta, at_ms = AccountDelta(received=batch.good, written=batch.good), now_ms
    day = time.strftime("%Y-%m-%d", time.gmtime(at_ms / 1000))
    journal.add_account(connection, {(letter.site, letter.node): delta}, day)
