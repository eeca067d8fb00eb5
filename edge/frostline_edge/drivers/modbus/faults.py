"""What may come in place of an answer, as errors; pure."""

from __future__ import annotations

from typing import Final

from frostline_core.errors import ProtocolError, UnavailableError

# Modbus Application Protocol V1.1b3, section 7: exception codes.
REFUSALS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
NOT_REACHED: Final = (10, 11)
"""What a gateway between us and a unit says when the unit is silent."""


class SilentError(UnavailableError):
    """The unit did not answer in time."""


class GarbledError(ProtocolError):
    """Something came, but not the answer to what was asked."""


class RefusedError(ProtocolError):
    """The unit answered with an exception code."""

    def __init__(self, unit: int, code: int) -> None:
        super().__init__(f"unit {unit} refused: exception {code:02d}, {REFUSALS.get(code, 'unknown code')}")
        self.code = code
