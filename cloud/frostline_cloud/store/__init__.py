"""Time series: the port, its config, and `open_store`, which builds the implementation that the config names."""

from __future__ import annotations

from frostline_cloud.store.config import StoreConfig
from frostline_cloud.store.open import open_store
from frostline_cloud.store.port import (
    AnyRow,
    Bucket,
    FieldValue,
    Latest,
    NumberRow,
    Place,
    RejectedError,
    Row,
    RowForm,
    Sample,
    Store,
)

__all__ = [
    "AnyRow",
    "Bucket",
    "FieldValue",
    "Latest",
    "NumberRow",
    "Place",
    "RejectedError",
    "Row",
    "RowForm",
    "Sample",
    "Store",
    "StoreConfig",
    "open_store",
]
