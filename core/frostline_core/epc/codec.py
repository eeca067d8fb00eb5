"""EPC binary to identifiers and back. Pure; decoding never fails: what is no known encoding is kept as raw bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from frostline_core.epc.schemes import (
    BY_HEADER,
    ESCAPES,
    HEAD_BITS,
    MAX_EPC_BYTES,
    SCHEMES,
    SERIAL_CHARACTERS,
    Partition,
    Scheme,
)
from frostline_core.errors import ProtocolError

RAW = "raw"
_CHARACTER_BITS = 7


@dataclass(frozen=True, slots=True)
class Epc:
    """What a tag says.

    Attributes:
        scheme: `sgtin-96`, `sgtin-198`, `sscc-96`, `sgln-96`, `grai-96`, `giai-96`, or `raw` for anything else.
        raw_hex: The bits as read, upper-case hexadecimal.
        uri: Pure identity (`urn:epc:id:...`); for raw bits `urn:epc:raw:<bits>.x<hex>`.
        tag_uri: The identity with its encoding and filter (`urn:epc:tag:...`); for raw bits the same as `uri`.
        key: The GS1 key with its check digit: GTIN-14, SSCC-18, GLN-13, GRAI-14 or GIAI; "" for raw bits.
        company_prefix: GS1 company prefix, 6 to 12 digits; "" for raw bits.
        reference: Item, location or asset reference; with an SGTIN or SSCC, its first digit is the indicator.
        serial: "" where the scheme has none.
        filter: 0 to 7 (TDS section 10); None for raw bits.
    """

    scheme: str
    raw_hex: str
    uri: str
    tag_uri: str
    key: str = ""
    company_prefix: str = ""
    reference: str = ""
    serial: str = ""
    filter: int | None = None


def decode(code: bytes | str) -> Epc:
    """What the bits of a tag say. The last 65,536 answers are remembered, for readers repeat the same tags.

    Args:
        code: The EPC as bytes or as hexadecimal text of any case.

    Raises:
        ProtocolError: Text that is not hexadecimal. Bytes never raise: an unknown header, an invalid partition or a
            field out of its range gives scheme `raw`.
    """
    if isinstance(code, str):
        try:
            code = bytes.fromhex(code)
        except ValueError as error:
            raise ProtocolError(f"an EPC is hexadecimal, not {code!r:.80}") from error
    # Nothing longer than a tag can hold is remembered, so that a broken reader cannot fill the memory.
    return _decode(bytes(code)) if len(code) <= MAX_EPC_BYTES else _raw(code)


def gtin14(epc: Epc | bytes | str) -> str | None:
    """The GTIN-14 of a tag, or None where it names no trade item."""
    found = epc if isinstance(epc, Epc) else decode(epc)
    return found.key if found.scheme.startswith("sgtin") else None


def encode(scheme: str, company_prefix: str, reference: str, serial: str = "", filter_value: int = 0) -> bytes:
    """The bits of a tag, filled with zeros to whole 16-bit words.

    Args:
        scheme: A key of SCHEMES.
        company_prefix: 6 to 12 digits; their number decides the partition.
        reference: As `Epc.reference`.
        serial: A decimal number, or for sgtin-198 up to 20 characters; "" where the scheme has none.
        filter_value: 0 to 7.

    Raises:
        ValueError: A part is missing, too long or not made of the right characters.
    """
    table = SCHEMES.get(scheme)
    if table is None:
        raise ValueError(f"unknown EPC scheme '{scheme}'; known: {', '.join(SCHEMES)}")
    if not 0 <= filter_value <= 7:
        raise ValueError(f"an EPC filter is 0 to 7, not {filter_value}")
    value = 12 - len(_digits(company_prefix, "company prefix"))
    if not 0 <= value < len(table.partitions):
        raise ValueError(f"a GS1 company prefix has 6 to 12 digits, not {len(company_prefix)}")
    row = table.partitions[value]
    bits = (table.header << 6 | filter_value << 3 | value) << row.prefix_bits | int(company_prefix)
    bits = bits << row.reference_bits | _reference_bits(table, row, reference)
    bits = bits << table.serial_bits | _serial_bits(table, serial)
    used = HEAD_BITS + row.prefix_bits + row.reference_bits + table.serial_bits
    filled = -(-table.bits // 16) * 16
    return (bits << (filled - used)).to_bytes(filled // 8, "big")


def sgtin96(gtin: str, serial: int, prefix_digits: int = 7, filter_value: int = 1) -> bytes:
    """The SGTIN-96 of one item: 12 bytes.

    Args:
        gtin: 14 digits with a right check digit.
        serial: 0 to 274,877,906,943.
        prefix_digits: How many of the GTIN's digits are the GS1 company prefix, 6 to 12.
        filter_value: 1 is a point-of-sale trade item (TDS section 10.2).

    Raises:
        ValueError: No such GTIN, prefix length or serial.
    """
    if len(_digits(gtin, "GTIN")) != 14 or check_digit(gtin[:13]) != gtin[13]:
        raise ValueError(f"a GTIN-14 has 14 digits, the last of them the check digit; not '{gtin}'")
    if not 6 <= prefix_digits <= 12:
        raise ValueError(f"a GS1 company prefix has 6 to 12 digits, not {prefix_digits}")
    prefix, item = gtin[1 : 1 + prefix_digits], gtin[1 + prefix_digits : 13]
    return encode("sgtin-96", prefix, gtin[0] + item, str(serial), filter_value)


def check_digit(digits: str) -> str:
    """The GS1 check digit that follows these digits (GS1 General Specifications, section 7.9)."""
    total = sum((3 if place % 2 == 0 else 1) * int(digit) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


@lru_cache(maxsize=65536)
def _decode(code: bytes) -> Epc:
    scheme = BY_HEADER.get(code[0]) if code else None
    if scheme is None or not _fits(scheme, len(code)):
        return _raw(code)
    bits, left = int.from_bytes(code, "big"), len(code) * 8 - HEAD_BITS
    value = bits >> left & 7
    if value >= len(scheme.partitions):
        return _raw(code)
    row = scheme.partitions[value]
    left -= row.prefix_bits
    prefix = bits >> left & (1 << row.prefix_bits) - 1
    left -= row.reference_bits
    reference = bits >> left & (1 << row.reference_bits) - 1
    left -= scheme.serial_bits
    serial = _serial(scheme, bits >> left & (1 << scheme.serial_bits) - 1)
    filling = bits & (1 << left) - 1
    if prefix >= 10**row.prefix_digits or reference >= 10**row.reference_digits or serial is None or filling:
        return _raw(code)
    parts = (str(prefix).zfill(row.prefix_digits), _reference(scheme, row, reference), serial)
    return _epc(scheme, code, parts, bits >> (len(code) * 8 - 11) & 7)


def _fits(scheme: Scheme, size: int) -> bool:
    """Whether a code of so many bytes can hold the scheme: exactly, or filled to the next whole word."""
    return -(-scheme.bits // 8) <= size <= -(-scheme.bits // 16) * 2


def _raw(code: bytes) -> Epc:
    text = code.hex().upper()
    uri = f"urn:epc:raw:{len(code) * 8}.x{text}"
    return Epc(RAW, text, uri, uri)


def _epc(scheme: Scheme, code: bytes, parts: tuple[str, str, str], filter_value: int) -> Epc:
    prefix, reference, serial = parts
    escaped = "".join(ESCAPES.get(each, each) for each in serial) if scheme.text_serial else serial
    body = ".".join((prefix, reference, escaped) if scheme.serial_bits else (prefix, reference))
    return Epc(
        scheme=scheme.name,
        raw_hex=code.hex().upper(),
        uri=f"urn:epc:id:{scheme.identity}:{body}",
        tag_uri=f"urn:epc:tag:{scheme.name}:{filter_value}.{body}",
        key=_key(scheme, prefix, reference),
        company_prefix=prefix,
        reference=reference,
        serial=serial,
        filter=filter_value,
    )


def _key(scheme: Scheme, prefix: str, reference: str) -> str:
    """The GS1 key of the parts (TDS section 7: correspondence between EPCs and GS1 keys)."""
    match scheme.identity:
        case "sgtin" | "sscc":
            body = reference[0] + prefix + reference[1:]
        case "grai":
            body = "0" + prefix + reference
        case "giai":
            return prefix + reference
        case _:
            body = prefix + reference
    return body + check_digit(body)


def _reference(scheme: Scheme, row: Partition, value: int) -> str:
    if not row.reference_digits:
        return ""
    return str(value).zfill(row.reference_digits) if scheme.padded else str(value)


def _serial(scheme: Scheme, bits: int) -> str | None:
    """The serial as text, or None where the bits are none."""
    if not scheme.serial_bits:
        return ""
    if not scheme.text_serial:
        return str(bits)
    text = ""
    for shift in range(scheme.serial_bits - _CHARACTER_BITS, -1, -_CHARACTER_BITS):
        text += chr(bits >> shift & 0x7F)
    text = text.rstrip("\0")
    return text if text and SERIAL_CHARACTERS.issuperset(text) else None


def _reference_bits(scheme: Scheme, row: Partition, reference: str) -> int:
    if not row.reference_digits:
        if reference:
            raise ValueError(f"{scheme.name} with a 12-digit company prefix has no reference")
        return 0
    digits = _digits(reference, "reference")
    if scheme.padded and len(digits) != row.reference_digits:
        raise ValueError(f"{scheme.name}: this company prefix leaves {row.reference_digits} digits, not '{reference}'")
    value = int(digits)
    if not scheme.padded and str(value) != digits:
        raise ValueError(f"{scheme.name} cannot keep the leading zeros of '{reference}'")
    if value >> row.reference_bits:
        raise ValueError(f"reference {reference} does not fit into {row.reference_bits} bits")
    return value


def _serial_bits(scheme: Scheme, serial: str) -> int:
    if not scheme.serial_bits:
        if serial:
            raise ValueError(f"{scheme.name} has no serial")
        return 0
    if scheme.text_serial:
        return _text_bits(scheme, serial)
    digits = _digits(serial, "serial")
    if str(int(digits)) != digits:
        raise ValueError(f"{scheme.name} cannot keep the leading zeros of serial '{serial}'")
    if int(digits) >> scheme.serial_bits:
        raise ValueError(f"serial {serial} does not fit into {scheme.serial_bits} bits")
    return int(digits)


def _text_bits(scheme: Scheme, serial: str) -> int:
    most = scheme.serial_bits // _CHARACTER_BITS
    if not 1 <= len(serial) <= most or not SERIAL_CHARACTERS.issuperset(serial):
        raise ValueError(f"a serial of {scheme.name} is 1 to {most} characters of the GS1 subset, not {serial!r}")
    bits = 0
    for character in serial.ljust(most, "\0"):
        bits = bits << _CHARACTER_BITS | ord(character)
    return bits


def _digits(text: str, what: str) -> str:
    if not text.isascii() or not text.isdecimal():
        raise ValueError(f"{what} must be decimal digits, not '{text}'")
    return text
