"""Each bench runs, with sizes so small that its numbers say nothing; those of peers only where peers are installed."""

from __future__ import annotations

import pytest

from tests.bench import alerts, card, edge, growth, ingest, metered, restart, spool, storm
from tests.bench.peers import gateways, install, kills, run, streams
from tests.bench.recording import Load
from tests.support.services import binary

SMALL = Load(nodes=2, devices=2, metrics=20, per_message=20, messages=200)
STORM = Load(nodes=2, devices=2, metrics=20, per_message=20, messages=300, interval_ms=2.0, storm_at=150)
SIZE = streams.Size(2, 2, 20, 20, each=40, batched=40, ours=200, runs=1)
KILLS = kills.Plan(kills=1, every_s=1.5, start_s=5, per_s=100)


@pytest.fixture
def broker_and_stores() -> None:
    for program in ("mosquitto", "influxd", "victoria-metrics"):
        binary(program)


@pytest.fixture
def node_red() -> None:
    if not (install.PEERS / "node-red" / "node_modules" / "node-red-contrib-influxdb").is_dir():
        pytest.skip("Node-RED is not installed; `python -m tests.bench peers` installs it")


@pytest.fixture
def thingsboard() -> None:
    if not (install.PEERS / "thingsboard" / "bin" / "thingsboard-gateway").exists():
        pytest.skip("ThingsBoard's gateway is not installed; `python -m tests.bench peers` installs it")


@pytest.mark.usefixtures("broker_and_stores")
def test_ingest_bench_finds_every_point_stored() -> None:
    assert ingest.case(ingest.Case("influxdb1", 10, 20), SMALL, 1)["missing"] == 0


@pytest.mark.usefixtures("broker_and_stores")
def test_growth_bench_counts_what_ingest_costs() -> None:
    found = growth.cost(SMALL, 0)
    assert found["missing"] == 0
    assert found["rss_mib"] > 0


def test_growth_bench_looks_at_a_backlog_in_many_rows_each_time() -> None:
    assert growth.waiting(2_000)["rows_a_look"] > 5


def test_spool_bench_appends_and_trims() -> None:
    found = spool.measure(0.05, 1_000)
    rates = found["rows_per_s"]
    assert all(rate["append"] > 0 and rate["trim"] > 0 for rate in rates.values())
    assert found["start"]["drained_rows_per_s"] > 0


def test_card_bench_keeps_less_than_it_reads() -> None:
    found = card.measure(60)["cases"]
    assert all(0 < each["kept_of_read"] < 1 for each in found.values())


def test_edge_bench_reads_and_commits() -> None:
    found = edge.cost(edge.Setup(units=3, seconds=2))
    assert found["registers_per_s"] > 0
    assert found["wire_bytes_per_sample"] > 0


def test_metered_bench_counts_bytes_of_both_ways() -> None:
    found = metered.measure(minutes=10)
    assert found["at_once"]["mb_per_day"] > found["bursts_of_10_minutes"]["mb_per_day"] > 0


@pytest.mark.usefixtures("broker_and_stores")
def test_storm_bench_counts_what_is_told_of_every_series() -> None:
    found = storm.measure(STORM)
    assert (found["transitions"], found["lost_or_doubled"]) == (80, 0)
    assert found["live_committed_ms"]["before"]["n"] > 0


def test_alerts_bench_tells_one_receiver_of_every_transition() -> None:
    found = alerts.measure(50)
    assert found["alerts"]["rows"]["ops waiting"] == found["with 20 silences"]["rows"]["ops waiting"] == 50


@pytest.mark.usefixtures("broker_and_stores")
def test_restart_bench_sees_everything_committed_again() -> None:
    name = "nodes that go on"
    found = restart.measure(10, {name: restart.CASES[name]})["cases"][name]
    assert found["rebirths_asked"] == 0
    assert found["messages"] > 0


@pytest.mark.usefixtures("broker_and_stores")
def test_no_message_is_missing_when_our_ingest_is_killed() -> None:
    found = kills.frostline(KILLS)
    assert (found["kills"], found["missing"]) == (1, 0)


@pytest.mark.usefixtures("broker_and_stores", "node_red")
def test_streams_beside_node_red_are_compared() -> None:
    found = streams.measure((SIZE,))["20 metrics a message"]
    assert [found[who]["missing"] for who in ("node_red", "node_red_batched", "frostline")] == [0, 0, 0]


@pytest.mark.usefixtures("broker_and_stores", "node_red")
def test_messages_that_node_red_loses_are_counted() -> None:
    found = kills.node_red(KILLS, batched=True)
    assert found["sent"] == found["stored"] + found["missing"] == KILLS.seconds * KILLS.per_s
    assert found["kills"] == 1


@pytest.mark.usefixtures("thingsboard")
def test_thingsboard_gateway_is_read_to_the_end_of_its_pipe() -> None:
    assert gateways.peer(gateways.Way(True, "memory"), units=3, seconds=4)["of_those_due"] > 0.5


def test_a_peer_that_cannot_be_had_is_left_out_with_the_reason() -> None:
    left_out = {"skipped": "npm has failed: not found"}
    result = {"mqtt_to_influxdb": left_out, "killed": left_out, "modbus_to_mqtt": left_out}
    assert "npm has failed" in run.table(result)
