"""EPC codec: published examples, every partition there and back, and no bytes that break it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llrpkit.epc import decode_epc

from frostline_core.epc import SCHEMES, decode, encode, gtin14, sgtin96
from frostline_core.epc.schemes import SERIAL_CHARACTERS
from frostline_core.errors import ProtocolError


@pytest.mark.parametrize(
    ("code", "tag_uri", "key"),
    [
        ("3074257BF7194E4000001A85", "urn:epc:tag:sgtin-96:3.0614141.812345.6789", "80614141123458"),
        ("30700048440663802E185523", "urn:epc:tag:sgtin-96:3.00037000.06542.773346595", "00003700065423"),
        ("3114F4E4E40008B3CD000000", "urn:epc:tag:sscc-96:0.4012345.0000570317", "040123450005703172"),
        ("3314257BF40C0E400000162E", "urn:epc:tag:grai-96:0.0614141.12345.5678", "00614141123452"),
        (
            "3674257BF6B7A659B2C2BF1000000000000000000000000000",
            "urn:epc:tag:sgtin-198:3.0614141.712345.32a%2Fb",
            "70614141123451",
        ),
        ("3214257BF46072000000162E", "urn:epc:tag:sgln-96:0.0614141.12345.5678", "0614141123452"),
        ("3414257BF40000000000162E", "urn:epc:tag:giai-96:0.0614141.5678", "06141415678"),
    ],
)
def test_published_examples_decode(code: str, tag_uri: str, key: str) -> None:
    found = decode(code)
    assert (found.tag_uri, found.key) == (tag_uri, key)


def test_pure_identity_leaves_encoding_and_filter_out() -> None:
    assert decode("3074257BF7194E4000001A85").uri == "urn:epc:id:sgtin:0614141.812345.6789"


def test_gtin14_is_none_for_what_is_no_trade_item() -> None:
    assert gtin14("3074257BF7194E4000001A85") == "80614141123458"
    assert gtin14("3114F4E4E40008B3CD000000") is None
    assert gtin14(b"\xe2\x80\x11\x05") is None


@given(st.binary(max_size=80))
def test_no_bytes_raise_and_the_bits_are_kept(code: bytes) -> None:
    assert bytes.fromhex(decode(code).raw_hex) == code


@given(st.sampled_from(sorted(s.header for s in SCHEMES.values())), st.binary(min_size=11, max_size=25))
def test_what_decodes_encodes_to_the_same_bits(header: int, rest: bytes) -> None:
    code = bytes([header]) + rest
    found = decode(code)
    if found.scheme != "raw":
        assert encode(
            found.scheme, found.company_prefix, found.reference, found.serial, found.filter or 0
        ) == code.ljust(26 if found.scheme == "sgtin-198" else 12, b"\0")


@st.composite
def parts(draw: st.DrawFn) -> tuple[str, str, str, str, int]:
    scheme = SCHEMES[draw(st.sampled_from(sorted(SCHEMES)))]
    row = draw(st.sampled_from(scheme.partitions))
    prefix = draw(st.integers(0, 10**row.prefix_digits - 1))
    most = min(10**row.reference_digits, 1 << row.reference_bits) - 1
    number = draw(st.integers(0, most))
    reference = str(number).zfill(row.reference_digits) if scheme.padded else str(number)
    if scheme.text_serial:
        serial = draw(st.text(sorted(SERIAL_CHARACTERS), min_size=1, max_size=20))
    else:
        serial = str(draw(st.integers(0, (1 << scheme.serial_bits) - 1))) if scheme.serial_bits else ""
    kept = reference if row.reference_digits else ""
    return scheme.name, str(prefix).zfill(row.prefix_digits), kept, serial, draw(st.integers(0, 7))


@given(parts())
def test_every_scheme_and_partition_goes_there_and_back(given_parts: tuple[str, str, str, str, int]) -> None:
    found = decode(encode(*given_parts))
    assert (found.scheme, found.company_prefix, found.reference, found.serial, found.filter) == given_parts


@given(parts())
def test_an_independent_decoder_reads_the_same(given_parts: tuple[str, str, str, str, int]) -> None:
    code = encode(*given_parts)
    if len(code) != 12:
        return
    found, other = decode(code), decode_epc(code)
    assert other is not None
    assert (found.tag_uri, found.uri) == (other.tag_uri, other.pure_identity_uri)


@pytest.mark.parametrize(
    "code",
    [
        "307C257BF7194E4000001A85",  # partition 7 does not exist
        "3074257BF7194E4000001A",  # a byte short
        "3074257BF7194E4000001A850000",  # longer than its scheme
        "3114F4E4E40008B3CD000001",  # reserved bits are not zero
        "35000000000000000000000A",  # a scheme without a GS1 key
    ],
)
def test_what_breaks_its_scheme_stays_raw(code: str) -> None:
    assert decode(code).uri == f"urn:epc:raw:{len(code) * 4}.x{code}"


def test_text_that_is_no_hexadecimal_is_refused() -> None:
    with pytest.raises(ProtocolError, match="hexadecimal"):
        decode("not a tag")


def test_sgtin96_of_a_gtin_carries_the_gtin() -> None:
    assert sgtin96("80614141123458", 6789, filter_value=3).hex().upper() == "3074257BF7194E4000001A85"


@pytest.mark.parametrize("gtin", ["80614141123459", "8061414112345", "8061414112345x"])
def test_sgtin96_refuses_what_is_no_gtin(gtin: str) -> None:
    with pytest.raises(ValueError, match="GTIN"):
        sgtin96(gtin, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("sgtin-97", "0614141", "812345", "1"), "unknown EPC scheme"),
        (("sgtin-96", "06141", "81234567", "1"), "6 to 12 digits"),
        (("sgtin-96", "0614141", "81234", "1"), "6 digits"),
        (("sgtin-96", "0614141", "812345", "01"), "leading zeros"),
        (("sgtin-96", "0614141", "812345", str(1 << 38)), "38 bits"),
        (("sscc-96", "0614141", "1234567890", "1"), "no serial"),
        (("sgtin-198", "0614141", "812345", "naïve"), "GS1 subset"),
    ],
)
def test_encode_says_what_is_wrong(wrong: tuple[str, str, str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(*wrong)
