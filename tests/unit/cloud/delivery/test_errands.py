"""Errands: done on the thread that runs them, with the result for who asked."""

from __future__ import annotations

import json
import threading

import pytest

from frostline_cloud.ingest.errands import Errands, NotPossibleError, Refetch
from frostline_core.errors import UnavailableError


def test_work_is_done_by_the_thread_that_runs_it_and_its_error_comes_back() -> None:
    asked = threading.Event()
    errands, done_by = Errands(asked.set), []

    def serve() -> None:
        asked.wait(60)
        errands.run()

    def work() -> None:
        done_by.append(threading.current_thread().name)
        raise NotPossibleError("no such gateway")

    server = threading.Thread(target=serve, name="ingest")
    server.start()
    with pytest.raises(NotPossibleError, match="no such gateway"):
        errands.ask(work, 60)
    server.join()
    assert done_by == ["ingest"]


def test_what_was_not_done_in_time_is_never_done() -> None:
    done: list[int] = []
    errands = Errands(lambda: None)
    with pytest.raises(UnavailableError, match="nothing was sent"):
        errands.ask(lambda: done.append(1), 0.01)
    errands.run()
    assert done == []


def test_only_so_many_may_wait() -> None:
    errands = Errands(lambda: None, most=1)
    with pytest.raises(UnavailableError):
        errands.ask(lambda: None, 0.01)
    with pytest.raises(UnavailableError, match="waiting for ingest already"):
        errands.ask(lambda: None, 0.01)


def test_a_span_names_a_device_only_where_one_is_meant() -> None:
    assert json.loads(Refetch("s", "n", 1, 2).to_json()) == {"from_ms": 1, "to_ms": 2}
    assert json.loads(Refetch("s", "n", 1, 2, "d").to_json()) == {"from_ms": 1, "to_ms": 2, "device": "d"}
