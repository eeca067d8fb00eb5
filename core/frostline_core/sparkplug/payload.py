"""What a Sparkplug payload is, as frozen values (specification, section 6.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from frostline_core.reading import DataType, Value
from frostline_core.sparkplug.arrays import Array

NO_PROPERTIES: Mapping[str, Property] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a metric.

    Attributes:
        datatype: A scalar type, PROPERTYSET or PROPERTYSETLIST.
        value: None is null; a mapping for a PROPERTYSET, a tuple of mappings for a PROPERTYSETLIST.
    """

    datatype: DataType
    value: Value | Mapping[str, Property] | tuple[Mapping[str, Property], ...]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A table: `columns` and `types` are parallel, each row has as many cells; None is an empty cell."""

    columns: tuple[str, ...]
    types: tuple[DataType, ...]
    rows: tuple[tuple[Value, ...], ...]

    def __post_init__(self) -> None:
        widths = {len(self.columns), len(self.types), *(len(row) for row in self.rows)}
        if len(widths) != 1:
            raise ValueError("a DataSet needs as many types as columns, and as many cells in each row")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a template."""

    name: str
    datatype: DataType
    value: Value = None


@dataclass(frozen=True, slots=True)
class Template:
    """A structured type: its definition (in NBIRTH only), or an instance that names the definition."""

    is_definition: bool
    template_ref: str = ""
    version: str = ""
    metrics: tuple[Metric, ...] = ()
    parameters: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        if self.is_definition is bool(self.template_ref):
            raise ValueError("a template's instance names its definition in template_ref; a definition has none")


WireValue = Value | Array | DataSet | Template


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a payload.

    Attributes:
        name: In births, and where there is no alias.
        alias: The number that stands for the name after a birth.
        timestamp_ms: When it was measured; None means at the payload's time.
        datatype: Needed in births.
        value: None exactly when `is_null`.
        is_null: There is a metric but no value.
        is_historical: Not the current value (sent from a backlog).
        is_transient: Not to be stored.
        properties: Unit, limits, quality and others by key.
    """

    name: str = ""
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: DataType | None = None
    value: WireValue = None
    is_null: bool = False
    is_historical: bool = False
    is_transient: bool = False
    properties: Mapping[str, Property] = field(default_factory=lambda: NO_PROPERTIES)


@dataclass(frozen=True, slots=True)
class Payload:
    """One Sparkplug payload; `seq` is None in NDEATH and commands."""

    timestamp_ms: int | None
    seq: int | None
    metrics: tuple[Metric, ...] = ()
    uuid: str = ""
    body: bytes = b""
