"""Dead letters as the command line reads and replays them: directly on SQL, or by the API of the running process."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from frostline_cloud import shell
from frostline_cloud.client import answered, api_client, own_store
from frostline_cloud.config import load_cloud
from frostline_cloud.instant import now_ms
from frostline_cloud.replay import replay as replay_letter
from frostline_cloud.replay import waiting
from frostline_cloud.sql import ledger, read_only, translated
from frostline_cloud.sql.ledger import Span
from frostline_cloud.store import Store

if TYPE_CHECKING:
    import httpx
    from sqlalchemy import Engine

PAGE = 500
"""Letters read at once."""

SHOWN = ("id", "site", "node", "device", "topic", "reason", "samples", "size", "at_ms", "replayed_ms")
"""What is known of a letter besides its bytes."""

Letter = Mapping[str, Any]


class Letters(Protocol):
    """Where dead letters are read and taken in."""

    def listed(self, span: Span) -> Iterator[Letter]:
        """Letters without their bytes, newest first."""

    def one(self, letter_id: int) -> Letter | None:
        """A letter with its bytes, in base64."""

    def replay(self, letter_id: int) -> Letter | None:
        """Takes a letter in: `id`, `samples`, `reason`."""

    def waiting(self, span: Span) -> list[int]:
        """Numbers of those that were not taken in, oldest first."""


class SqlLetters:
    """Directly; the embedded store is one process's alone, and is opened only to replay."""

    def __init__(self, engine: Engine, store: Store | None) -> None:
        self._engine, self._store = engine, store

    def listed(self, span: Span) -> Iterator[Letter]:
        """See `Letters`."""
        before: int | None = None
        while True:
            page = Span(span.site, span.node, span.from_ms, None, before, PAGE)
            with translated("SQL"), read_only(self._engine).connect() as connection:
                rows = ledger.dead_letters(connection, page)
            for row in rows:
                yield {name: getattr(row, name) for name in SHOWN}
            if len(rows) < PAGE:
                return
            before = rows[-1].id

    def one(self, letter_id: int) -> Letter | None:
        """See `Letters`."""
        with translated("SQL"), read_only(self._engine).connect() as connection:
            row = ledger.one_dead_letter(connection, letter_id)
        if row is None:
            return None
        known = {name: getattr(row, name) for name in SHOWN if name != "size"}
        return known | {"size": len(row.raw), "raw": base64.b64encode(row.raw).decode()}

    def replay(self, letter_id: int) -> Letter | None:
        """See `Letters`."""
        if self._store is None:
            raise RuntimeError("opened for reading")
        done = replay_letter(self._engine, self._store, letter_id, now_ms())
        return None if done is None else {"id": done.id, "samples": done.samples, "reason": done.reason}

    def waiting(self, span: Span) -> list[int]:
        """See `Letters`."""
        return waiting(self._engine, span)


class ApiLetters:
    """By the running process."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def listed(self, span: Span) -> Iterator[Letter]:
        """See `Letters`."""
        wanted = {"site": span.site, "node": span.node, "from": span.from_ms, "limit": PAGE}
        query = {name: str(value) for name, value in wanted.items() if value is not None}
        while True:
            page = answered(self._client.get("/api/v1/dead-letters", params=query))
            yield from page["items"]
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    def one(self, letter_id: int) -> Letter | None:
        """See `Letters`."""
        answer = self._client.get(f"/api/v1/dead-letters/{letter_id}")
        return None if answer.status_code == HTTPStatus.NOT_FOUND else answered(answer)

    def replay(self, letter_id: int) -> Letter | None:
        """See `Letters`."""
        answer = self._client.post(f"/api/v1/dead-letters/{letter_id}/replay")
        return None if answer.status_code == HTTPStatus.NOT_FOUND else answered(answer)

    def waiting(self, span: Span) -> list[int]:
        """See `Letters`."""
        return sorted(int(each["id"]) for each in self.listed(span) if each["replayed_ms"] is None)


@contextmanager
def opened(config: Path, api: str, token_file: Path | None, *, writing: bool = False) -> Iterator[Letters]:
    """Dead letters: by the API where there is an address, else directly; the store only for `writing`.

    Raises:
        ConfigError: The config, address or token file is none.
        UnavailableError: Nobody answers, or another process has the store.
    """
    if api:
        with api_client(api, token_file) as client:
            yield ApiLetters(client)
        return
    loaded = load_cloud(config)
    with ExitStack() as stack:
        store = stack.enter_context(closing(own_store(loaded, "replay"))) if writing else None
        yield SqlLetters(stack.enter_context(shell.opened(loaded)), store)
