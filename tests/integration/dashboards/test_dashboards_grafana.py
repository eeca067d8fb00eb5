"""Alerts as annotations and dashboards over HTTP, against a small server that answers as Grafana's API documents it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboards.annotate import main as annotate
from dashboards.annotate import mark_of
from dashboards.upload import main as upload

ALERT: dict[str, Any] = {
    "id": "a1",
    "severity": "critical",
    "site": "berlin",
    "device": "freezer-1",
    "category": "compliance",
    "summary": "too warm",
    "state": "firing",
    "fired_ms": 1_790_000_000_000,
    "resolved_ms": None,
}


KEY = "of-a-service-account"


@dataclass
class Both:
    """Grafana, and Frostline's list of alerts, at one address."""

    url: str = ""
    alerts: list[dict[str, Any]] = field(default_factory=lambda: [dict(ALERT)])
    marks: list[dict[str, Any]] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    boards: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        parts = (method, *path.strip("/").split("/"))
        match parts:
            case ("GET", "api", "v1", "alerts"):
                begin = int(query.get("cursor", ["0"])[0])
                more = begin + 100 < len(self.alerts)
                return 200, {"items": self.alerts[begin : begin + 100], "next": str(begin + 100) if more else None}
            case ("GET", "api", "annotations"):
                return 200, [each for each in self.marks if set(query["tags"]) <= set(each["tags"])]
            case ("POST", "api", "annotations"):
                self.marks.append(body | {"id": len(self.marks) + 1, "timeEnd": body["timeEnd"] or body["time"]})
                return 200, {"id": len(self.marks)}
            case ("PUT", "api", "annotations", number):
                self.marks[int(number) - 1].update(body)
                return 200, {}
            case ("GET", "api", "folders", uid):
                return (200, {"uid": uid}) if uid in self.folders else (404, {"message": "folder not found"})
            case ("POST", "api", "folders"):
                self.folders.add(body["uid"])
                return 200, body
            case ("POST", "api", "dashboards", "db"):
                self.boards.append(body)
                return (200, {"status": "success"}) if body["folderUid"] in self.folders else (404, {"message": "no"})
        return 404, {"message": "not found"}


@pytest.fixture
def both() -> Iterator[Both]:
    """It, listening until the test is over."""
    made = Both()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            asked = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, said = made.answer(self.command, asked.path, parse_qs(asked.query), body)
            if self.headers["Authorization"] != f"Bearer {KEY}":
                status, said = 401, {"message": "Unauthorized"}
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def do_PUT(self) -> None:
            self._do()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="grafana")
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def run(both: Both, folder: Path, token: str = KEY) -> int:
    secret = folder / "token"
    secret.write_text(f"{token}\n")
    arguments = ["--grafana", both.url, "--grafana-token-file", str(secret)]
    return annotate([*arguments, "--frostline", both.url, "--token-file", str(secret)])


def test_an_alert_becomes_a_line_and_then_a_span(both: Both, tmp_path: Path) -> None:
    assert run(both, tmp_path) == 0
    (mark,) = both.marks
    assert (mark["time"], mark["timeEnd"]) == (ALERT["fired_ms"], ALERT["fired_ms"])
    assert {"frostline-alert", "alert:a1", "critical", "berlin"} <= set(mark["tags"])
    both.alerts[0] |= {"state": "resolved", "resolved_ms": ALERT["fired_ms"] + 60_000}
    assert run(both, tmp_path) == 0
    (mark,) = both.marks
    assert mark["timeEnd"] == ALERT["fired_ms"] + 60_000
    assert mark["text"] == "too warm (resolved)"


def test_what_is_there_already_is_left_alone(both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both.alerts = [ALERT | {"id": f"a{number}"} for number in range(250)]
    assert run(both, tmp_path) == 0
    assert run(both, tmp_path) == 0
    assert capsys.readouterr().out.split("\n")[:2] == ["added 250, changed 0", "added 0, changed 0"]


def test_an_alert_that_never_fired_is_no_annotation() -> None:
    assert mark_of(ALERT | {"fired_ms": None}) is None


def test_a_wrong_token_is_said_and_is_a_failure(both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(both, tmp_path, "wrong") == 1
    assert "not done" in capsys.readouterr().err
    assert both.marks == []


def test_dashboards_go_into_a_folder_that_is_made_once(both: Both, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(KEY)
    for _ in range(2):
        assert upload(["--grafana", both.url, "--grafana-token-file", str(secret)]) == 0
    assert both.folders == {"frostline"}
    assert {each["dashboard"]["uid"] for each in both.boards} == {"frostline-cold-rooms"}
    assert all(each["overwrite"] for each in both.boards)
