"""`frostline webhook` as a process, called by a real worker and by strangers."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest

from frostline_cloud.notify.receivers.receiver import Message, Verdict
from frostline_cloud.notify.receivers.webhook import Webhook, WebhookConfig
from frostline_cloud.notify.receivers.webhook.signature import key, new_secret
from frostline_core.config import parse
from tests.support.services import PATIENCE_S

COMMAND = [sys.executable, "-c", "from frostline_core.cli import main; main()", "webhook"]
BODY = json.dumps({"type": "alert.firing", "summary": "Too warm: hamburg room-1"})


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(new_secret())
    return path


@contextmanager
def listening(secret: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [*COMMAND, "listen", "--listen", "127.0.0.1:0", "--secret-file", str(secret), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            found = re.search(r"http://\S+", process.stderr.readline())
            assert found is not None
            yield process, found[0]
        finally:
            process.terminate()


async def send(url: str, secret: Path) -> Verdict:
    table = {"name": "try", "url": url, "secret": f"${{file:{secret}}}", "allow": ["127.0.0.1/32"]}
    webhook = Webhook(parse(table, WebhookConfig, "test"))
    attempt = await webhook.send(Message("msg_1", "alert.firing", BODY), int(time.time()))
    await webhook.close()
    return attempt.verdict


async def test_a_genuine_webhook_is_printed_as_json_and_the_count_ends_it(secret: Path) -> None:
    with listening(secret, "--json", "--count", "1") as (process, url):
        assert await send(url, secret) is Verdict.DELIVERED

        out, _ = process.communicate(timeout=60)

    heard = json.loads(out)
    assert (heard["id"], heard["type"], heard["verified"], heard["reason"]) == ("msg_1", "alert.firing", True, "")
    assert process.returncode == 0


async def test_a_webhook_with_another_secret_is_refused_and_says_why(secret: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("whsec_" + "A" * 32)
    with listening(secret, "--json", "--count", "1") as (process, url):
        assert await send(url, other) is Verdict.RETRY

        out, _ = process.communicate(timeout=60)

    assert json.loads(out)["verified"] is False
    assert "no signature matches" in json.loads(out)["reason"]


async def test_people_get_a_line_with_the_time_in_utc(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    began = datetime.now(UTC).replace(microsecond=0)
    with listening(secret, "--count", "1") as (process, url):
        await send(url, secret)

        out, _ = process.communicate(timeout=60)

    assert began <= datetime.fromisoformat(out[:20]) <= datetime.now(UTC)
    assert "alert.firing" in out
    assert "verified" in out
    assert "Too warm: hamburg room-1" in out


@pytest.mark.parametrize(
    ("headers", "status"), [({"content-length": "2000000"}, 413), ({"transfer-encoding": "chunked"}, 411)]
)
def test_a_body_that_is_too_large_or_of_unknown_size_is_not_read(
    secret: Path, headers: dict[str, str], status: int
) -> None:
    with listening(secret) as (_, url):
        client = HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_S)
        client.request("POST", "/", headers=headers)

        assert client.getresponse().status == status
        client.close()


def test_it_ends_on_sigterm(secret: Path) -> None:
    with listening(secret) as (process, _):
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 0


def test_a_new_secret_is_usable() -> None:
    made = subprocess.run([*COMMAND, "new-secret"], capture_output=True, text=True, check=True).stdout

    assert len(key(made.strip())) == 32


@pytest.mark.parametrize("content", ["", "secret123", "whsec_%%"])
def test_a_secret_file_without_a_secret_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content)

    done = subprocess.run([*COMMAND, "listen", "--secret-file", str(path)], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "--secret-file" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_is_installed() -> None:
    assert shutil.which("frostline", path=str(Path(sys.executable).parent)) is not None
