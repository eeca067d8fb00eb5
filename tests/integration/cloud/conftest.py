"""Ingest with one rule, and a gateway that it has heard; a file whose tests need another has one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import metadata
from frostline_core.rules import RuleSet, parse
from tests.support.edge_node import EdgeNode, room
from tests.support.ingest_cloud import TOO_WARM, Cloud
from tests.support.post import Post
from tests.support.services import Mosquitto


@pytest.fixture
def offline_after_s() -> float:
    """How long store and SQL may refuse before STATE says offline; a test about that asks for less."""
    return 60


@pytest.fixture
def cloud(tmp_path: Path, mosquitto: Mosquitto, offline_after_s: float) -> Iterator[Cloud]:
    rules = RuleSet.of([parse(TOO_WARM, "test")])
    with Cloud(tmp_path, mosquitto, rules, offline_after_s=offline_after_s).running() as started:
        yield started


@pytest.fixture
def edge(cloud: Cloud) -> Iterator[EdgeNode]:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1") as node:
        node.wait_for_host()
        node.birth([room()])
        yield node


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    metadata.create_all(engine)
    yield Post(engine, tmp_path)
    engine.dispose()
