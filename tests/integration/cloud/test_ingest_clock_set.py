"""The clock of the cloud's machine is set while messages wait: they wait as long as they would have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from frostline_cloud.instant import now
from frostline_cloud.sql.tables import account, loss
from frostline_core.moment import Moment
from frostline_core.rules import RuleSet
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import Mosquitto, eventually

HOUR_MS = 3_600_000


class SetClock:
    """The machine's clocks, with a time of day that is off."""

    def __init__(self) -> None:
        self.off_ms = 0

    def __call__(self) -> Moment:
        real = now()
        return Moment(real.utc_ms + self.off_ms, real.steady_ms)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def cloud(tmp_path: Path, mosquitto: Mosquitto, clock: SetClock) -> Iterator[Cloud]:
    with Cloud(tmp_path, mosquitto, RuleSet.of([]), clock=clock).running() as started:
        yield started


@pytest.mark.parametrize("off_ms", [-HOUR_MS, HOUR_MS])
def test_what_waits_for_a_birth_is_read_with_it(
    cloud: Cloud, clock: SetClock, off_ms: int, caplog: pytest.LogCaptureFixture
) -> None:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1", proved=False) as edge:
        edge.wait_for_host()
        edge.birth([room()])
        eventually(lambda: cloud.ingest.status.messages >= 2)
        cloud.restart(edge)
        began = now_ms() - HOUR_MS  # from the future for no clock
        for n in range(3):
            edge.data("freezer-1", {"air_temperature": -20.0 - n}, began + n)
        eventually(lambda: cloud.ingest.status.parked == 3 and edge.rebirths)
        for said, clock.off_ms in enumerate([off_ms, off_ms + 5_000], 1):  # both heard of: it has looked
            eventually(lambda said=said: caplog.text.count("the clock was set by") >= said)  # type: ignore[misc]
        assert cloud.ingest.status.parked == 3
        edge.birth([room()])
        eventually(lambda: cloud.count() == 3)
    eventually(lambda: cloud.rows(account, node="gw-1")[0].written == 3)
    assert cloud.rows(loss) == []


@pytest.mark.parametrize("off_ms", [-HOUR_MS, HOUR_MS])
def test_batches_go_on_being_committed_at_once(cloud: Cloud, clock: SetClock, off_ms: int) -> None:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1") as edge:
        edge.wait_for_host()
        edge.birth([room()])
        for n, off in enumerate([0, off_ms, 0], 1):
            clock.off_ms = off
            edge.data("freezer-1", {"air_temperature": -20.0}, now_ms() - HOUR_MS, mark(RUN, n))
            eventually(lambda n=n: edge.committed(RUN) == n)  # type: ignore[misc]
    assert cloud.count() == 3
    assert cloud.ingest.status.online
