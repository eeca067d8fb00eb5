"""Messages of one metric: report by exception, a stock count, a door. One form does for every device and metric.

Such a message is nearly all frame, so that its aliases are taken out like its value, and looked up: what is learned of
the first one holds for the whole fleet, and a device whose messages each name another of its metrics costs nothing.
"""

from __future__ import annotations

from typing import Final

from frostline_core.reading import DataType
from frostline_core.sparkplug.form import Form, by_alias, varint
from frostline_core.sparkplug.layout import Columns, Metrics, Pattern, Shapes, number, short
from frostline_core.sparkplug.topics import Topic
from frostline_core.sparkplug.views import NodeView

_MOST_OF_LENGTH: Final = 8
"""Forms of one length; the oldest goes when a further one comes."""


class Single:
    """Reads messages of one metric and one form, of any device."""

    __slots__ = ("_datatype", "_pattern")

    def __init__(self, pattern: Pattern, datatype: DataType) -> None:
        self._pattern, self._datatype = pattern, datatype

    def read(self, raw: bytes, alone: Alone) -> Columns | None:
        """What a message of the form's length says, None when it has another form or names what births did not."""
        at_ms = self._pattern.time_of(raw)
        if not at_ms:
            return None
        shape = self._pattern.shape
        found = shape.unpack(raw)
        mark = shape.mark(found)
        metrics = alone.metric(found[0], found[2], self._datatype)
        if mark is None or metrics is None:
            return None
        value = found[1]
        if value.__class__ is not float:
            value = number(value)
        return Columns(metrics, at_ms, (value,), short(found[-1]), mark)


class Alone:
    """A device's metrics, each by itself; aliases are looked up as they stand in a message, in varint form."""

    __slots__ = ("_batch", "_by_alias", "_device", "_topic", "_view")

    def __init__(self, view: NodeView, topic: Topic) -> None:
        self._view, self._topic, self._device = view, topic, topic.device
        self._by_alias: dict[bytes, tuple[DataType, Metrics]] = {}
        self._batch: bytes | None = None

    def metric(self, alias: bytes, batch: bytes, datatype: DataType) -> Metrics | None:
        """The metric of that alias and type, in a message with that batch alias; None where births say otherwise."""
        found = self._by_alias.get(alias) or self._find(alias)
        if found is None or found[0] is not datatype:
            return None
        if batch != self._batch:
            if varint(batch, 0)[0] != self._view.batch_aliases.get(self._device):
                return None
            self._batch = batch
        return found[1]

    def forget(self) -> None:
        """A birth: aliases mean something else."""
        self._by_alias.clear()
        self._batch = None

    def _find(self, alias: bytes) -> tuple[DataType, Metrics] | None:
        bound = self._view.aliases.get(varint(alias, 0)[0])
        if bound is None or bound.device != self._device:
            return None
        found = self._by_alias[alias] = (bound.description.datatype, Metrics(self._topic, (bound,)))
        return found


class Singles:
    """The forms of such messages that were learned, by length."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._by_length: dict[int, tuple[Single, ...]] = {}

    def read(self, raw: bytes, alone: Alone) -> Columns | None:
        """What a message says, None when no form fits it."""
        for each in self._by_length.get(len(raw), ()):
            columns = each.read(raw, alone)
            if columns is not None:
                return columns
        return None

    def learn(self, form: Form) -> bool:
        """Remembers a form; False when it is none of one metric."""
        freed = by_alias(form)
        if freed is None:
            return False
        single = Single(Pattern(freed, self._shapes.of(freed)), form.bound[0].description.datatype)
        known = self._by_length.get(len(form.raw), ())
        self._by_length[len(form.raw)] = (single, *known[: _MOST_OF_LENGTH - 1])
        return True
