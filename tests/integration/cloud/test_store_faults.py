"""Stores that break: killed, full, locked, damaged, hung, refusing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from frostline_cloud.store import Place, RejectedError, Row, Store, StoreConfig, open_store
from frostline_cloud.store.embedded import EmbeddedLimits, EmbeddedStore
from frostline_core.errors import ConfigError, UnavailableError
from tests.support.influx_front import TOKEN, InfluxFront
from tests.support.services import PATIENCE_S, Influxd, eventually

T = 1_700_000_000_000
DAY = 86_400_000
PLACE = Place("cold_room", "site", "node", "room")


def _rows(count: int, start_ms: int = T) -> list[Row]:
    return [Row(PLACE, start_ms + i * 1000, [("air_temperature", float(i)), ("n_text", str(i))]) for i in range(count)]


def _count(store: Store) -> int:
    return sum(bucket.count for bucket in store.series(PLACE, "air_temperature", 0, 2**42, 2**42))


def _fails(call: Callable[[], object]) -> bool:
    try:
        call()
    except UnavailableError:
        return True
    return False


def _python(program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]


WRITER = """
    import sys
    from pathlib import Path
    from frostline_cloud.store import Place, Row
    from frostline_cloud.store.embedded import EmbeddedStore
    store = EmbeddedStore(Path(sys.argv[1]))
    place = Place("cold_room", "site", "node", "room")
    for i in range(10**9):
        store.write([Row(place, i * 10 + j, [("air_temperature", float(i))]) for j in range(10)])
        print(i, flush=True)
"""


@pytest.mark.parametrize("after", [1, 37, 150])
def test_embedded_keeps_every_acknowledged_row_when_killed(tmp_path: Path, after: int) -> None:
    path = tmp_path / "store.duckdb"
    with subprocess.Popen(_python(WRITER, path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        acknowledged = next(int(line) for line in process.stdout if int(line) >= after)
        process.kill()
        rest = process.stdout.read().split()
    acknowledged = int(rest[-1]) if rest else acknowledged
    store = EmbeddedStore(path)
    count = _count(store)
    store.close()
    assert count >= (acknowledged + 1) * 10
    assert count % 10 == 0, "a write is there as a whole or not at all"


def test_embedded_says_when_another_process_has_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with subprocess.Popen(_python(WRITER, path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(UnavailableError, match=r"store\.duckdb.*lock"):
            EmbeddedStore(path)
        process.kill()


def test_embedded_says_when_the_file_is_damaged_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(UnavailableError, match=r"cannot open .*store\.duckdb"):
        EmbeddedStore(path)
    assert path.read_bytes() == b"not a database" * 1000


def test_embedded_refuses_a_file_of_the_future(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = EmbeddedStore(path)
    store._connection.execute("UPDATE meta SET value = 99 WHERE key = 'frostline_format'")
    store.close()
    with pytest.raises(ConfigError, match="newer Frostline"):
        EmbeddedStore(path)


def test_embedded_outlives_a_full_disk(tmp_path: Path) -> None:
    program = """
        import resource, sys
        from pathlib import Path
        from frostline_cloud.store import Place, Row
        from frostline_cloud.store.embedded import EmbeddedStore
        from frostline_core.errors import UnavailableError
        store = EmbeddedStore(Path(sys.argv[1]))
        place = Place("cold_room", "site", "node", "room")
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        stored = failed = 0
        for i in range(200):
            try:
                rows = [Row(place, i * 1000 + j, [("air_temperature", i / (j + 1))]) for j in range(1000)]
                store.write([*rows, Row(place, i, [(f"new_{i}", float(i))])])
                stored += 1
            except UnavailableError:
                failed += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.check()
        store.write([Row(place, 10**9 + j, [("air_temperature", 1.0)]) for j in range(1000)])
        store.close()
        print(stored, failed)
    """
    path = tmp_path / "store.duckdb"
    done = subprocess.run(_python(program, path), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    stored, failed = map(int, done.stdout.split())
    assert stored and failed
    store = EmbeddedStore(path)
    assert _count(store) == (stored + 1) * 1000
    for latest in store.latest(PLACE):
        if latest.field.startswith("new_"):
            assert latest.field == f"new_{latest.at_ms}" and latest.value == latest.at_ms, (
                "no two series share a number"
            )
    store.close()


def test_embedded_check_fails_before_the_disk_is_full(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store.duckdb", EmbeddedLimits(least_free_mb=2**40))
    with pytest.raises(UnavailableError, match="MiB free"):
        store.check()
    store.close()


def test_embedded_tidying_changes_no_answer(tmp_path: Path) -> None:
    now_ms = T + 3 * DAY
    store = EmbeddedStore(tmp_path / "store.duckdb", clock=lambda: now_ms / 1000)
    for start_ms in (T, T + DAY, now_ms - 10_000):
        store.write(_rows(100, start_ms))
        store.write([Row(PLACE, start_ms, [("air_temperature", 50.0), ("n_text", "again")])])
    before = store.series(PLACE, "air_temperature", 0, 2**42, 5000), store.latest(PLACE)
    store.tidy()
    assert (store.series(PLACE, "air_temperature", 0, 2**42, 5000), store.latest(PLACE)) == before
    (rows,) = store._connection.execute("SELECT count(*) FROM number").fetchall()[0]
    assert rows == 301, "two finished days without overwritten rows, and today untouched"
    store.write(_rows(1, T - 5 * DAY))
    store.tidy()
    store.close()
    store = EmbeddedStore(tmp_path / "store.duckdb", clock=lambda: now_ms / 1000)
    assert _count(store) == 301
    assert store.latest(PLACE) == before[1]
    store.close()


def test_embedded_retention_deletes_what_is_older(tmp_path: Path) -> None:
    limits = EmbeddedLimits(retention_days=2)
    now_ms = T + 3 * DAY
    store = EmbeddedStore(tmp_path / "store.duckdb", limits, clock=lambda: now_ms / 1000)
    store.write([*_rows(10), *_rows(20, T + 2 * DAY), Row(PLACE, T, [("rare", 1.0)])])
    store.tidy()
    assert _count(store) == 20
    assert "rare" not in {latest.field for latest in store.latest(PLACE)}
    store.close()


def test_embedded_answers_many_threads_at_once(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store.duckdb")
    store.write(_rows(100))

    def work(number: int) -> int:
        for i in range(20):
            store.write(_rows(10, T + DAY * (number + 1) + i * 10_000))
            store.latest(PLACE)
            if number == 0:
                store.tidy()
        return _count(store)

    with ThreadPoolExecutor(8) as pool:
        assert all(count >= 300 for count in pool.map(work, range(8)))
    assert _count(store) == 100 + 8 * 200
    store.close()


def test_influxdb_that_goes_away_is_unavailable_until_it_is_back(fresh_influxd: Influxd) -> None:
    fresh_influxd.create_database("db")
    config = StoreConfig(kind="influxdb1", url=fresh_influxd.url, database="db")
    store, hasty = open_store(config), open_store(config.model_copy(update={"timeout_s": 1}))
    store.write(_rows(10))
    fresh_influxd.kill()
    with pytest.raises(UnavailableError):
        store.write(_rows(20))
    with pytest.raises(UnavailableError):
        store.check()
    fresh_influxd.start()
    assert _count(store) == 10, "what was acknowledged survived the kill"
    store.write(_rows(20))
    assert _count(store) == 20
    fresh_influxd.pause()
    with pytest.raises(UnavailableError, match=r"timed out|no answer"):
        hasty.write(_rows(30))
    with pytest.raises(UnavailableError, match=r"timed out|no answer"):
        hasty.latest(PLACE)
    fresh_influxd.resume()
    eventually(lambda: not _fails(hasty.check))
    store.check()
    store.close()
    hasty.close()


def test_influxdb_rows_past_retention_are_named_and_the_others_are_stored(influxd: Influxd) -> None:
    influxd.create_database("short")
    policy = 'ALTER RETENTION POLICY "autogen" ON "short" DURATION 1d SHARD DURATION 1h'
    httpx.post(f"{influxd.url}/query", data={"q": policy}, timeout=PATIENCE_S).raise_for_status()
    store = open_store(StoreConfig(kind="influxdb1", url=influxd.url, database="short"))
    now_ms = int(time.time() * 1000)
    with pytest.raises(RejectedError, match="retention") as caught:
        store.write([*_rows(2, now_ms - 60_000), *_rows(3, now_ms - 3 * DAY), *_rows(4, now_ms - 30_000)])
    assert [index for index, _ in caught.value.rows] == [2, 3, 4]
    assert _count(store) == 6
    store.close()


def test_influxdb_without_the_database_is_unavailable_and_says_so(influxd: Influxd) -> None:
    store = open_store(StoreConfig(kind="influxdb1", url=influxd.url, database="nowhere"))
    for call in (store.check, lambda: store.write(_rows(1)), lambda: store.latest(PLACE)):
        with pytest.raises(UnavailableError, match="database not found"):
            call()
    store.close()


@pytest.fixture
def front(influxd: Influxd, monkeypatch: pytest.MonkeyPatch) -> Iterator[InfluxFront]:
    influxd.create_database("faults")
    monkeypatch.setenv("FRONT_TOKEN", TOKEN)
    with InfluxFront(influxd.url) as server:
        yield server


def _v2(front: InfluxFront, token: str = "FRONT_TOKEN", timeout_s: float = 30) -> Store:  # noqa: S107 a variable
    secret = SecretStr(f"${{env:{token}}}")
    return open_store(
        StoreConfig(kind="influxdb2", url=front.url, database="faults", token=secret, timeout_s=timeout_s)
    )


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_influxdb2_statuses_that_say_try_again(front: InfluxFront, status: int) -> None:
    store = _v2(front)
    front.answer = (status, '{"code":"x","message":"the reason"}')
    with pytest.raises(UnavailableError, match=f"HTTP {status}: the reason"):
        store.write(_rows(3))
    front.answer = None
    store.write(_rows(3))
    assert _count(store) == 3
    store.close()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_influxdb2_refusing_everything_costs_no_row_but_a_line_too_long(front: InfluxFront, status: int) -> None:
    store = _v2(front)
    front.answer = (status, '{"code":"x","message":"the reason"}')
    with pytest.raises(RejectedError if status == 413 else UnavailableError, match="the reason"):
        store.write(_rows(3))
    store.close()


def test_influxdb2_that_hangs_is_unavailable(front: InfluxFront) -> None:
    store = _v2(front, timeout_s=0.5)
    front.delay = threading.Event()
    for call in (store.check, lambda: store.latest(PLACE)):
        with pytest.raises(UnavailableError, match=r"timed out|no answer"):
            call()
    front.delay.set()
    store.close()


def test_influxdb2_with_a_wrong_token_is_unavailable(front: InfluxFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG", "wrong")
    store = _v2(front, "WRONG")
    for call in (store.check, lambda: store.latest(PLACE)):
        with pytest.raises(UnavailableError, match="unauthorized"):
            call()
    store.close()
