"""Names of metrics and kinds as people say them, in English, where nobody has named them otherwise."""

from __future__ import annotations

import re
from typing import Final

BUFFERED: Final = "_buffered"
"""The end of the name of a virtual buffer (docs/rules.md)."""

_COUNT: Final = re.compile(r"^count_(\d{8,14})$")  # a GTIN
_PHASE: Final = re.compile(r"\bl([123])\b")


def spoken(name: str) -> str:
    """A name as people say it: `air_temperature` is "air temperature", `voltage_l1` is "voltage L1".

    A product's count names the product: `count_04012345000016` is "count of 04012345000016"; a virtual buffer says that
    it is one.
    """
    if name.endswith(BUFFERED) and name != BUFFERED:
        return f"{spoken(name.removesuffix(BUFFERED))} (buffered)"
    product = _COUNT.match(name)
    if product is not None:
        return f"count of {product[1]}"
    return _PHASE.sub(r"L\1", name.replace("_", " "))
