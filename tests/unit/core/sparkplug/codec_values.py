"""Payloads of every kind, drawn: what tests of the codec share."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from frostline_core.reading import DataType
from frostline_core.sparkplug import (
    DataSet,
    Metric,
    Parameter,
    Payload,
    Property,
    Template,
    WireValue,
)
from frostline_core.sparkplug.codec import LATEST_MS

RANGES = {
    DataType.INT8: (-(2**7), 2**7 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT8: (0, 2**8 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.UINT64: (0, 2**64 - 1),
    DataType.DATETIME: (0, 2**64 - 1),
}
ARRAY_OF = {
    DataType.INT8_ARRAY: DataType.INT8,
    DataType.INT16_ARRAY: DataType.INT16,
    DataType.INT32_ARRAY: DataType.INT32,
    DataType.INT64_ARRAY: DataType.INT64,
    DataType.UINT8_ARRAY: DataType.UINT8,
    DataType.UINT16_ARRAY: DataType.UINT16,
    DataType.UINT32_ARRAY: DataType.UINT32,
    DataType.UINT64_ARRAY: DataType.UINT64,
    DataType.FLOAT_ARRAY: DataType.FLOAT,
    DataType.DOUBLE_ARRAY: DataType.DOUBLE,
    DataType.BOOLEAN_ARRAY: DataType.BOOLEAN,
    DataType.STRING_ARRAY: DataType.STRING,
    DataType.DATETIME_ARRAY: DataType.DATETIME,
}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
SCALAR: dict[DataType, st.SearchStrategy[WireValue]] = {
    **{kind: st.integers(*limits) for kind, limits in RANGES.items()},
    DataType.FLOAT: st.floats(width=32, allow_nan=False),
    DataType.DOUBLE: st.floats(allow_nan=False),
    DataType.BOOLEAN: st.booleans(),
    DataType.STRING: TEXT,
    DataType.TEXT: TEXT,
    DataType.UUID: st.uuids().map(str),
}


def datasets() -> st.SearchStrategy[DataSet]:
    columns = st.lists(st.tuples(TEXT, st.sampled_from(sorted(SCALAR))), max_size=4)

    def rows(chosen: list[tuple[str, DataType]]) -> st.SearchStrategy[DataSet]:
        names, types = tuple(name for name, _ in chosen), tuple(kind for _, kind in chosen)
        cell = [st.none() | SCALAR[kind] for kind in types]
        return st.lists(st.tuples(*cell), max_size=3).map(lambda found: DataSet(names, types, tuple(found)))

    return columns.flatmap(rows)


def arrays_of(kind: DataType) -> st.SearchStrategy[WireValue]:
    return st.lists(SCALAR[ARRAY_OF[kind]], max_size=12).map(tuple)  # type: ignore[arg-type]  # elements are scalars here


def values_of(kind: DataType) -> st.SearchStrategy[WireValue]:
    if kind in SCALAR:
        return SCALAR[kind]
    if kind in ARRAY_OF:
        return arrays_of(kind)
    return datasets() if kind is DataType.DATASET else st.binary(max_size=20)


def properties() -> st.SearchStrategy[Mapping[str, Property]]:
    scalar = st.sampled_from(sorted(SCALAR)).flatmap(lambda kind: st.builds(Property, st.just(kind), SCALAR[kind]))
    null = st.just(Property(DataType.STRING, None))

    def deeper(inner: st.SearchStrategy[Property]) -> st.SearchStrategy[Property]:
        sets = st.dictionaries(TEXT, inner, max_size=3)
        many = st.lists(sets, max_size=2).map(tuple)
        return st.builds(Property, st.just(DataType.PROPERTYSET), sets) | st.builds(
            Property, st.just(DataType.PROPERTYSETLIST), many
        )

    return st.dictionaries(TEXT, st.recursive(scalar | null, deeper, max_leaves=4), max_size=3)


SIMPLE = sorted({*SCALAR, *ARRAY_OF, DataType.BYTES, DataType.FILE, DataType.DATASET})


@st.composite
def metrics(draw: st.DrawFn, kinds: list[DataType] = SIMPLE) -> Metric:
    kind = draw(st.sampled_from(kinds))
    value = draw(st.none() | values_of(kind))
    return Metric(
        draw(TEXT),
        draw(st.none() | st.integers(0, 2**64 - 1)),
        draw(st.none() | st.integers(0, LATEST_MS)),
        kind,
        value,
        value is None,
        draw(st.booleans()),
        draw(st.booleans()),
        draw(properties()),
    )


PARAMETERS = st.builds(Parameter, TEXT, st.just(DataType.INT32), st.none() | SCALAR[DataType.INT32])
TEMPLATES = st.builds(
    Template,
    st.just(False),
    TEXT.filter(bool),
    TEXT,
    st.lists(metrics(), max_size=2).map(tuple),
    st.lists(PARAMETERS, max_size=2).map(tuple),
)
PAYLOADS = st.builds(
    Payload,
    st.none() | st.integers(0, LATEST_MS),
    st.none() | st.integers(0, 255),
    st.lists(metrics() | TEMPLATES.map(lambda each: Metric("t", None, 1, DataType.TEMPLATE, each)), max_size=4).map(
        tuple
    ),
    TEXT,
    st.binary(max_size=10),
)
