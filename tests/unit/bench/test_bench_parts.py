"""What the benches count and judge with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench import conditions, targets, wire
from tests.bench.peers import install, kills, tree
from tests.bench.peers.json_load import JsonLoad, messages
from tests.bench.targets import Target


def edge(percent: float) -> dict[str, object]:
    return {"edge": {"cpu_percent": percent}}


@pytest.mark.parametrize(("percent", "word"), [(1.9, "met"), (2.0, "met"), (2.1, "MISSED")])
def test_a_number_on_the_wrong_side_of_its_target_is_missed(percent: float, word: str) -> None:
    line = next(line for line in targets.table(edge(percent)).splitlines() if "percent of a core" in line)
    assert line.endswith(word)


def test_a_floor_is_met_from_above() -> None:
    floor = Target("share", ("ingest",), 0.85, floor=True)
    assert floor.met_by(0.9)
    assert not floor.met_by(0.8)


def test_a_target_without_a_number_is_said_to_be_unmeasured() -> None:
    assert "not measured" in targets.table({"edge": {}})


def test_a_step_of_a_path_may_be_a_pattern() -> None:
    latency = {"10% of 174238 points/s": {"alert_ms": {"p99": 49}}}
    line = next(line for line in targets.table({"ingest": {"latency": latency}}).splitlines() if "alert row" in line)
    assert "49" in line
    assert line.endswith("MISSED")


def test_only_benches_that_ran_are_in_the_table() -> None:
    assert "ingest" not in targets.table(edge(1))
    assert targets.table({"unknown": {}}) == ""


@pytest.mark.parametrize("what", ["skipped", "failed"])
def test_a_bench_without_a_result_says_why(what: str) -> None:
    assert targets.table({"edge": {what: "no broker"}}) == f"edge: {what}: no broker"


def test_a_result_says_under_what_conditions_it_came_about() -> None:
    result: dict[str, object] = {}
    with conditions.noted(result):
        result["points"] = 1
    found = result["conditions"]
    assert isinstance(found, dict)
    assert {"date", "commit", "machine", "versions", "load_before", "load_after"} <= found.keys()


def test_json_messages_give_each_series_a_time_of_its_own_for_each_value() -> None:
    load = JsonLoad(nodes=2, devices=3, metrics=4, per_message=2, messages=200)
    seen = [
        (topic, name, fields["t"])
        for topic, text in messages(load, 1_000)
        for fields in [json.loads(text)]
        for name in fields.keys() - {"t"}
    ]
    assert len(seen) == len(set(seen)) == 400
    assert len({(topic, name) for topic, name, _ in seen}) == load.series


def test_json_messages_go_on_where_a_play_before_ended() -> None:
    whole = JsonLoad(nodes=2, devices=3, metrics=4, per_message=4, messages=100)
    halves = [JsonLoad(2, 3, 4, 4, messages=50, first=first) for first in (0, 50)]
    assert [m for half in halves for m in messages(half, 0)] == list(messages(whole, 0))


def test_rows_of_births_are_no_messages() -> None:
    assert kills.distinct([25.0, 1.0, 2.0, 2.0, 3.0]) == 3


def test_a_tree_counts_children_that_live_and_those_that_have_ended() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass\n"
    parent = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {busy!r}])\n"
        f"child = subprocess.Popen([sys.executable, '-c', {busy + 'input()'!r}], stdin=subprocess.PIPE)\n"
        "print('ready', flush=True); input()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as top:
        assert top.stdout is not None
        top.stdout.readline()
        while tree.cpu_s(top.pid) < 0.35:
            pass
        assert len(tree.members(top.pid)) == 2
        assert tree.rss_mib(top.pid) > 5
        top.communicate(b"\n")


def test_what_cannot_be_installed_says_which_step_failed() -> None:
    with pytest.raises(install.NotInstallableError, match="no package"):
        install.run([sys.executable, "-c", "import sys; sys.exit('no package of that name')"])


def test_the_table_of_bytes_has_a_line_for_each_shape() -> None:
    lines = wire.table(wire.measure(messages=2)).splitlines()
    assert len(lines) == 1 + len(wire.SHAPES)
