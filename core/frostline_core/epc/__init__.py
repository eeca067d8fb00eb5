"""Electronic Product Codes: what a tag's bits say, and the bits that say it."""

from __future__ import annotations

from frostline_core.epc.codec import Epc, check_digit, decode, encode, gtin14, sgtin96
from frostline_core.epc.schemes import SCHEMES, Scheme

__all__ = ["SCHEMES", "Epc", "Scheme", "check_digit", "decode", "encode", "gtin14", "sgtin96"]
