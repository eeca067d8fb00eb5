"""Writes SGTIN-96 tags, as an RFID printer does."""

from __future__ import annotations

_HEADER = 0x30
_FILTER_POINT_OF_SALE = 1
_PREFIX_BITS = {12: 40, 11: 37, 10: 34, 9: 30, 8: 27, 7: 24, 6: 20}
_MOST_SERIAL = (1 << 38) - 1


def sgtin_96(gtin: str, prefix_digits: int, serial: int) -> bytes:
    """The 12 bytes of a tag.

    Source: GS1 EPC Tag Data Standard 1.13, section 14.6.1 (coding table) and 14.2 (partition table): header 8 bits,
    filter 3, partition 3, company prefix and item reference 44 together, serial 38.

    Args:
        gtin: GTIN-14; its first digit (the indicator) leads the item reference, its check digit is not on the tag.
        prefix_digits: 6 to 12 digits of company prefix.
        serial: 0 to 2**38 - 1.

    Raises:
        ValueError: The serial does not fit.
    """
    if not 0 <= serial <= _MOST_SERIAL:
        raise ValueError(f"serial {serial} does not fit in 38 bits")
    prefix = int(gtin[1 : 1 + prefix_digits])
    reference = int(gtin[0] + gtin[1 + prefix_digits : 13])
    bits = _PREFIX_BITS[prefix_digits]
    number = (_HEADER << 6 | _FILTER_POINT_OF_SALE << 3 | (12 - prefix_digits)) << 44
    number |= prefix << (44 - bits) | reference
    return (number << 38 | serial).to_bytes(12, "big")
