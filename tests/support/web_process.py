"""A console in a process of its own, for tests that drive it with a browser or by HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Engine, delete

from frostline_cloud.sql import open_engine, tables
from tests.support.services import PATIENCE_S, eventually
from tests.support.web import seed_alerts

CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
EVENTUALLY_MS = round(PATIENCE_S * 1000)
_OF_ALERTS = (
    tables.delivery,
    tables.outbox,
    tables.alert_event,
    tables.handling,
    tables.alert_evidence,
    tables.alert,
    tables.silence,
    tables.pause,
    tables.gateway_rules,
)


def pick(page: Page, combobox: Locator, option: str | re.Pattern[str]) -> None:
    """Chooses from a list when the one before it is gone: that may have an option of the same name."""
    expect(page.get_by_role("option")).to_have_count(0, timeout=EVENTUALLY_MS)
    combobox.click()
    page.get_by_role("option", name=option, exact=True).click()


def write(field: Locator, text: str) -> None:
    """Fills a field behind `pick`, again if the list that closes took the focus, and with it the text."""

    def filled() -> bool:
        field.fill(text)
        return field.input_value() == text

    eventually(filled)


@dataclass
class Server:
    """A running console.

    Attributes:
        url: Where it is.
        token: Of an operator named anna.
        viewer: Of a viewer named victor.
        engine: Its SQL.
        process: It.
    """

    url: str
    token: str
    viewer: str
    engine: Engine
    process: subprocess.Popen[str]

    def api(self, path: str) -> Any:
        """What the API says, below `/api/v1/`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{self.url}/api/v1/{path}", headers=headers, timeout=PATIENCE_S)
        answer.raise_for_status()
        return answer.json()

    def anew(self) -> None:
        """Alerts, and what people made of them, as they were at the start."""
        with self.engine.begin() as connection:
            for table in _OF_ALERTS:
                connection.execute(delete(table))
            seed_alerts(connection, time.time_ns() // 1_000_000)

    def log_in(self, page: Page, path: str = "/", token: str = "") -> None:
        """Opens a page, by the log-in page."""
        page.goto(f"{self.url}{path}")
        page.get_by_label("Token").fill(token or self.token)
        page.get_by_role("button", name="Log in").click()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server on a seeded cold store in a folder."""
    root = Path(__file__).parents[2]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.web_server", str(folder)],
            cwd=root,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        started = json.loads(line)
        engine = open_engine(f"sqlite:///{folder}/frostline.db")
        try:
            yield Server(started["url"], started["token"], started["viewer"], engine, process)
        finally:
            engine.dispose()
    finally:
        process.terminate()
        try:
            process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
