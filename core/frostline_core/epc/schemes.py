"""The tables of the GS1 EPC Tag Data Standard: which bits of a tag mean what.

Source: GS1 EPC Tag Data Standard 1.13, section 14 (binary encodings), https://ref.gs1.org/standards/tds/. A tag starts
with an 8-bit header, a 3-bit filter and a 3-bit partition; the partition says how many of the following bits belong to
the GS1 company prefix and how many to the reference. Its table is the same for every scheme but for the total.
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BITS = 14
"""Header, filter and partition."""

MAX_EPC_BYTES = 62
"""31 words: the most that a Gen2 tag's protocol control word can announce."""

_PREFIX_BITS = (40, 37, 34, 30, 27, 24, 20)
_PREFIX_DIGITS = (12, 11, 10, 9, 8, 7, 6)


@dataclass(frozen=True, slots=True)
class Partition:
    """One row of a partition table: bits on the tag and decimal digits in the key."""

    prefix_bits: int
    prefix_digits: int
    reference_bits: int
    reference_digits: int


@dataclass(frozen=True, slots=True)
class Scheme:
    """One binary encoding.

    Attributes:
        name: As tag URIs spell it, for example `sgtin-96`.
        header: The first byte.
        bits: Length of the code; what a tag adds to fill its last word is zero.
        partitions: By partition value, 0 to 6.
        serial_bits: Bits after the reference; 0 where the scheme has no serial.
        text_serial: The serial is 7-bit characters, not a number.
        padded: The reference keeps its leading zeros (all but GIAI).
    """

    name: str
    header: int
    bits: int
    partitions: tuple[Partition, ...]
    serial_bits: int
    text_serial: bool = False
    padded: bool = True

    @property
    def identity(self) -> str:
        """The scheme's name in pure-identity URIs, for example `sgtin`."""
        return self.name.partition("-")[0]


def _partitions(bits: int, fewest_digits: int) -> tuple[Partition, ...]:
    rows = zip(_PREFIX_BITS, _PREFIX_DIGITS, strict=True)
    return tuple(
        Partition(prefix_bits, digits, bits - prefix_bits, fewest_digits + value)
        for value, (prefix_bits, digits) in enumerate(rows)
    )


_ALL = (
    Scheme("sgtin-96", 0x30, 96, _partitions(44, 1), 38),
    Scheme("sscc-96", 0x31, 96, _partitions(58, 5), 0),
    Scheme("sgln-96", 0x32, 96, _partitions(41, 0), 41),
    Scheme("grai-96", 0x33, 96, _partitions(44, 0), 38),
    Scheme("giai-96", 0x34, 96, _partitions(82, 13), 0, padded=False),
    Scheme("sgtin-198", 0x36, 198, _partitions(44, 1), 140, text_serial=True),
)
SCHEMES = {scheme.name: scheme for scheme in _ALL}
BY_HEADER = {scheme.header: scheme for scheme in _ALL}

SERIAL_CHARACTERS = frozenset("!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
"""What a text serial may hold (TDS appendix A, the GS1 subset of ISO 646)."""

ESCAPES = {character: f"%{ord(character):02X}" for character in '"%&/<>?'}
"""Characters that a URI spells as %XX (TDS appendix A)."""
