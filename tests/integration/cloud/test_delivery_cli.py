"""`frostline cloud dead-letters` and `refetch`, on SQL directly and by the API of a running process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, update
from typer.testing import CliRunner

from frostline_cloud.api import HttpConfig, Role, Services, build_beside, create_token
from frostline_cloud.api.listener import listen
from frostline_cloud.api.server import serve
from frostline_cloud.cli import app
from frostline_cloud.ingest.errands import NotPossibleError, Refetch
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import dead_letter, node
from frostline_cloud.sql.tables import run as run_table
from frostline_cloud.store import StoreConfig, open_store
from frostline_core.errors import ConfigError, UnavailableError
from frostline_core.rules import RuleSet
from tests.support.services import PATIENCE_S

AT_MS = 1_790_000_000_000
STAYS = "nothing is known of its gateway: it has not been born since"
TOPIC = "spBv1.0/berlin/DDATA/gw-1/d"
RAW = b"\x18\x01"


def config_of(folder: Path) -> Path:
    (folder / "rules").mkdir(exist_ok=True)
    path = folder / "cloud.toml"
    path.write_text(
        '[broker]\nurl = "mqtt://127.0.0.1:1"\n[store]\npath = "history.duckdb"\n[sql]\nurl = "sqlite:///frostline.db"\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two letters in SQL."""
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    migrate(engine)
    with engine.begin() as connection:
        for node, at_ms in (("gw-1", AT_MS), ("gw-2", AT_MS + 60_000)):
            row = {"site": "berlin", "node": node, "device": "d", "topic": TOPIC, "reason": "why", "raw": RAW}
            connection.execute(insert(dead_letter).values(at_ms=at_ms, size=2, **row))
    engine.dispose()
    return config_of(tmp_path)


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_letters_are_listed_newest_first_and_filtered(config: Path) -> None:
    lines = [json.loads(line) for line in run("dead-letters", "list", "-c", config, "--json").splitlines()]
    assert [(line["node"], line["size"], line["replayed_ms"]) for line in lines] == [
        ("gw-2", 2, None),
        ("gw-1", 2, None),
    ]
    assert "gw-2" not in run("dead-letters", "list", "-c", config, "--node", "gw-1")
    since = run("dead-letters", "list", "-c", config, "--since", str(AT_MS + 1))
    assert "berlin/gw-2/d\t2 bytes\twhy" in since
    assert "gw-1" not in since


def test_a_letter_is_shown_with_its_bytes(config: Path) -> None:
    assert "raw          1801" in run("dead-letters", "show", "1", "-c", config)
    with pytest.raises(ConfigError, match="no dead letter 9"):
        run("dead-letters", "show", "9", "-c", config)


def test_a_replay_says_what_stays_and_exits_with_1(config: Path) -> None:
    told = run("dead-letters", "replay", "--all", "-c", config, code=1)
    assert told.splitlines() == [f"1\tstays: {STAYS}", f"2\tstays: {STAYS}"]
    with pytest.raises(ConfigError, match="--all"):
        run("dead-letters", "replay", "-c", config)


def test_bytes_that_nobody_can_read_are_said_to_be_so(config: Path) -> None:
    engine = open_engine(f"sqlite:///{config.parent}/frostline.db")
    with engine.begin() as connection:
        connection.execute(update(dead_letter).values(raw=b"\xff\xfe"))
    engine.dispose()
    assert "1\tstays: it cannot be read: " in run("dead-letters", "replay", "1", "-c", config, code=1)


def test_an_empty_list_says_so_to_people_and_nothing_to_scripts(config: Path) -> None:
    none = ("dead-letters", "list", "-c", config, "--node", "gw-9")
    assert run(*none) == "no dead letters\n"
    assert run(*none, "--json") == ""


def test_a_process_that_does_not_run_is_told_with_what_to_look_at(config: Path) -> None:
    with pytest.raises(UnavailableError, match="does the process run"):
        run("dead-letters", "list", "-c", config, "--api", "http://127.0.0.1:1")


def test_a_time_that_is_none_is_told(config: Path) -> None:
    with pytest.raises(ConfigError, match="--since yesterday"):
        run("dead-letters", "list", "-c", config, "--since", "yesterday")


def test_the_rest_of_a_run_is_written_off(config: Path, tmp_path: Path) -> None:
    run_id = "1111000000000001"
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    with engine.begin() as connection:
        born = {"site": "berlin", "node": "gw-1", "online": True, "proved": True, "bd_seq": 0, "birth_ms": 0}
        connection.execute(insert(node).values(**born, spool="0000000000002222", held=[]))
        known = {"site": "berlin", "node": "gw-1", "stream": 1, "committed": 5, "announced": 9, "at_ms": AT_MS}
        connection.execute(insert(run_table).values(**known, run=run_id))
    engine.dispose()
    told = run("write-off", "-c", config, "berlin", "gw-1", run_id, "--reason", "the card broke")
    assert told == f"berlin/gw-1 run {run_id}: everything from batch 6 on is listed as lost\n"
    with pytest.raises(ConfigError, match="is not in doubt; in doubt: none"):
        run("write-off", "-c", config, "berlin", "gw-1", run_id, "--reason", "again")


# ---- by the API ------------------------------------------------------------------------------------------------------
class Running:
    """The HTTP side of an ingest without a web side, on a thread."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[Refetch] = []
        self.engine = open_engine(f"sqlite:///{folder}/frostline.db")
        self.store = open_store(StoreConfig(path=folder / "history.duckdb"))
        self.token = folder / "token"
        with self.engine.begin() as connection:
            self.token.write_text(create_token(connection, "me", Role.OPERATOR, AT_MS) + "\n", encoding="utf-8")
        self._http = HttpConfig(listen="127.0.0.1:0")
        self._listener = listen(self._http)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._loop, self._stop = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        status = {"connected": True, "online": True, "reason": ""}
        services = Services(
            self.engine, self.store, RuleSet.of([]), lambda: status, self._http, lambda: AT_MS, self._refetch
        )
        self._loop.run_until_complete(serve(build_beside(services), self._http, self._stop, self._listener))
        self._loop.close()

    def _refetch(self, wanted: Refetch) -> None:
        if wanted.node != "gw-1":
            raise NotPossibleError(f"{wanted.node} is not online")
        self.asked.append(wanted)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self.store.close()
        self.engine.dispose()


@pytest.fixture
def running(config: Path) -> Iterator[Running]:
    started = Running(config.parent)
    yield started
    started.close()


def test_the_running_process_replays_where_the_store_is_locked(config: Path, running: Running) -> None:
    by_api = ("-c", config, "--api", running.url, "--token-file", running.token)
    assert run("dead-letters", "replay", "--all", *by_api, code=1) == f"1\tstays: {STAYS}\n2\tstays: {STAYS}\n"
    assert "raw          1801" in run("dead-letters", "show", "1", *by_api)
    with pytest.raises(ConfigError, match="no dead letter 9"):
        run("dead-letters", "replay", "9", *by_api)


def test_a_span_is_asked_for_by_the_running_process(config: Path, running: Running) -> None:
    span = ("--from", str(AT_MS), "--to", "2026-09-21T15:33:20Z")
    by_api = ("-c", config, "--site", "berlin", "--api", running.url, "--token-file", running.token)
    assert "was asked" in run("refetch", "--node", "gw-1", *span, *by_api)
    assert running.asked == [Refetch("berlin", "gw-1", AT_MS, 1_790_004_800_000)]
    with pytest.raises(ConfigError, match="gw-2 is not online"):
        run("refetch", "--node", "gw-2", *span, *by_api)


def test_without_a_token_nothing_is_done(config: Path, running: Running) -> None:
    with pytest.raises(ConfigError, match="401"):
        run("dead-letters", "replay", "1", "-c", config, "--api", running.url)


def test_an_ingest_alone_has_health_and_metrics_and_no_console(running: Running) -> None:
    headers = {"Authorization": f"Bearer {running.token.read_text(encoding='utf-8').strip()}"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=PATIENCE_S) as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        assert client.get("/readyz").json()["ready"] is True
        assert "frostline_ready 1.0" in client.get("/metrics").text
        assert client.get("/").status_code == 404
        assert client.get("/api/v1/devices").status_code == 404
