"""Messages of one metric: report by exception, a stock count, a door. One form does for every device and metric.

Such a message is nearly all frame, so that its aliases are taken out like its value, and looked up: what is learned of
the first one holds for the whole fleet, and a device whose messages each name another of its metrics costs nothing.
"""

from __future__ import annotations

from typing import Any, Final

from frostline_core.commit.wire import Regular
from frostline_core.reading import DataType
from frostline_core.sparkplug.form import Form, by_alias, varint
from frostline_core.sparkplug.layout import Metrics, Pattern, Prepare, Shape, Shapes, number, short
from frostline_core.sparkplug.topics import Topic
from frostline_core.sparkplug.views import NodeView

_MOST_OF_LENGTH: Final = 8
"""Forms of one length; the oldest goes when a further one comes."""


_ALIAS: Final = 0x10
"""Tag of a metric's alias."""


class Single:
    """Reads messages of one metric and one form, of any device."""

    __slots__ = ("_batch_at", "_datatype", "_number", "_time_of", "_unpack", "_width")

    def __init__(self, form: Form, shape: Shape, datatype: DataType) -> None:
        self._time_of, self._unpack, self._number = Pattern(form, shape).time_of, shape.unpack, shape.number
        self._datatype, self._width = datatype, shape.width
        self._batch_at = form.marked.start - 1

    def read(self, raw: bytes, alone: Alone) -> Regular | None:
        """What a message of the form's length says, None when it has another form or names what births did not."""
        if raw[self._batch_at] != _ALIAS:  # most other forms of this length
            return None
        at_ms = self._time_of(raw)
        if not at_ms:
            return None
        found = self._unpack(raw)
        datatype, plan = alone.known.get(found[0]) or alone.find(found[0])
        if datatype is not self._datatype or (found[2] != alone.batch and not alone.is_batch(found[2])):
            return None
        value, n, seq = found[1], found[4], found[-1]
        if self._width > 1:
            n = self._number(found)
        if value.__class__ is not float:
            value = number(value)
        base = n - found[-2]
        if base <= 0 or value - value != 0.0:  # no gateway could mean that, or it is no number
            return None
        return (found[3], n, base, plan, at_ms, (value,), raw, seq if seq <= 0x7F else short(seq))


_Known = tuple[DataType | None, Any]


class Alone:
    """A device's metrics, each by itself; aliases are looked up as they stand in a message, in varint form.

    Attributes:
        known: Type and plan of each metric that was looked up; no type where none may be read so.
        batch: The alias of its batch metric, once a message had it.
    """

    __slots__ = ("_device", "_prepare", "_topic", "_view", "batch", "known")

    def __init__(self, view: NodeView, topic: Topic, prepare: Prepare) -> None:
        self._view, self._topic, self._device, self._prepare = view, topic, topic.device, prepare
        self.known: dict[bytes, _Known] = {}
        self.batch: bytes | None = None

    def find(self, alias: bytes) -> _Known:
        """The metric of an alias that was not looked up yet; what births did not declare is not remembered."""
        bound = self._view.aliases.get(varint(alias, 0)[0])
        if bound is None or bound.device != self._device:
            return None, None
        plan = self._prepare(Metrics(self._topic, (bound,)))
        found = self.known[alias] = (None if plan is None else bound.description.datatype, plan)
        return found

    def is_batch(self, alias: bytes) -> bool:
        """Whether births say that the batch metric has that alias."""
        if varint(alias, 0)[0] != self._view.batch_aliases.get(self._device):
            return False
        self.batch = alias
        return True

    def forget(self) -> None:
        """A birth: aliases mean something else."""
        self.known.clear()
        self.batch = None


class Singles:
    """The forms of such messages that were learned, by length."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._by_length: dict[int, tuple[Single, ...]] = {}

    def read(self, raw: bytes, alone: Alone) -> Regular | None:
        """What a message says, None when no form fits it."""
        for each in self._by_length.get(len(raw), ()):
            regular = each.read(raw, alone)
            if regular is not None:
                return regular
        return None

    def learn(self, form: Form) -> bool:
        """Remembers a form; False when it is none of one metric."""
        freed = by_alias(form)
        if freed is None:
            return False
        single = Single(freed, self._shapes.of(freed), form.bound[0].description.datatype)
        known = self._by_length.get(len(form.raw), ())
        self._by_length[len(form.raw)] = (single, *known[: _MOST_OF_LENGTH - 1])
        return True
