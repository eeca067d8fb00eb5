"""The dropper cuts out what it should, wherever the stream is split."""

from __future__ import annotations

import pytest

from tests.support.qos0 import Qos0Dropper

QOS0 = b"\x30\x07\x00\x01tAAAA"
QOS1 = b"\x32\x09\x00\x01t\x00\x01AAAA"
LONG = b"\x30\x83\x01\x00\x01t" + b"B" * 128
PINGRESP = b"\xd0\x00"
STREAM = QOS0 + PINGRESP + QOS1 + LONG + QOS1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_only_qos_0_publishes_are_dropped_however_the_stream_is_split(size: int) -> None:
    dropper = Qos0Dropper(lambda: True)
    chunks = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert b"".join(map(dropper, chunks)) == PINGRESP + QOS1 + QOS1


def test_what_is_not_to_be_dropped_passes_unchanged() -> None:
    dropper = Qos0Dropper(lambda: False)
    assert b"".join(dropper(STREAM[at : at + 5]) for at in range(0, len(STREAM), 5)) == STREAM
