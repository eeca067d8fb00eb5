"""The commit command is put together by hand: it must be what protobuf would have written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import COMMIT
from frostline_core.reading import DataType
from frostline_core.sparkplug import Metric, NodeView, Payload
from frostline_core.sparkplug.codec import LATEST_MS
from frostline_core.sparkplug.host_commands import commit_command, write_command


def node(alias: int | None) -> NodeView:
    view = NodeView("site-é", "gw")
    declared = (
        Metric("bdSeq", None, 1, DataType.INT64, 0),
        Metric(COMMIT, alias, 1, DataType.BYTES, None, is_null=True),
    )
    view.bear(Payload(1, 0, declared), 1)
    return view


@given(st.one_of(st.none(), st.integers(0, 2**40)), st.binary(min_size=1, max_size=300), st.integers(0, LATEST_MS))
def test_it_is_what_a_written_command_would_be(alias: int | None, value: bytes, now_ms: int) -> None:
    view = node(alias)
    assert commit_command(view, value, now_ms) == write_command(view, "", [Metric(COMMIT, value=value)], now_ms)


def test_a_node_that_never_declared_it_gets_none() -> None:
    with pytest.raises(ValueError, match="no birth declared"):
        commit_command(NodeView("s", "n"), b"x", 1)
