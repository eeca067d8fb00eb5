"""SIGTERM: STATE offline first, then what has come is committed and told, then the connection ends."""

from __future__ import annotations

from pathlib import Path

from frostline_core.rules import RuleSet
from frostline_core.sparkplug import CommitCame, HostState
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import Mosquitto, eventually

LONG_MS = 5_000


def test_what_waits_at_a_stop_is_committed_and_told_after_state_offline(tmp_path: Path, mosquitto: Mosquitto) -> None:
    cloud = Cloud(tmp_path, mosquitto, RuleSet.of([]), linger_ms=LONG_MS)
    with cloud.running(), EdgeNode(mosquitto.host, mosquitto.port, "gw-stop") as edge:
        edge.wait_for_host()
        edge.birth([room()])
        edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
        eventually(lambda: cloud.ingest.status.queued == 1)
        cloud.stop()
        eventually(lambda: edge.committed(RUN) == 1)
        offline = next(n for n, said in enumerate(edge.commands) if isinstance(said, HostState) and not said.online)
        told = max(n for n, said in enumerate(edge.commands) if isinstance(said, CommitCame))
    assert offline < told
