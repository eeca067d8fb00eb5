"""Where the specification has been read in two ways: what we send fits both, what we take is either."""

from __future__ import annotations

import pytest

from frostline_core.reading import DataType
from frostline_core.sparkplug import Metric, NodeBorn, Payload, decode, encode
from tests.unit.core.sparkplug.host_talk import NODE, edge_session, host_session


@pytest.mark.parametrize("seq", [0, 1, 7, 255])
def test_sparkplug_178_and_tahu_373_a_birth_may_begin_at_any_seq(seq: int) -> None:
    metrics = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("t", 1, 5, DataType.DOUBLE, 1.0))

    events = host_session().receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, seq, metrics)), 5)

    assert [type(event) for event in events] == [NodeBorn]


def test_sparkplug_178_ours_begin_at_0() -> None:
    births = [decode(edge_session().birth(1500, NODE, [])[0].payload) for _ in range(2)]

    assert [birth.seq for birth in births] == [0, 0]
