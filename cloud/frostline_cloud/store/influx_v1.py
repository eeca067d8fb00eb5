"""InfluxDB 1.x: /write over plain httpx."""

from __future__ import annotations

import json

import httpx

from frostline_cloud.store.influx import InfluxStore
from frostline_cloud.store.line_writer import RefusedError
from frostline_core.errors import UnavailableError


class V1Posts:
    """Posts lines to /write. A 204 means that the server has them in its write-ahead log.

    Args:
        http: With base URL, credentials and time-out.
        database: The database's name.
    """

    def __init__(self, http: httpx.Client, database: str) -> None:
        self._http = http
        self._database = database

    def send(self, body: bytes) -> None:
        """Posts the lines of one request.

        Raises:
            UnavailableError: No success, and not for what the lines are.
            RefusedError: 400 (of "partial write" it names one culprit at most), 413 (length), 422.
        """
        try:
            answer = self._http.post("/write", params={"db": self._database, "precision": "ms"}, content=body)
        except httpx.HTTPError as error:
            raise UnavailableError(f"store write: {error or type(error).__name__}") from error
        if answer.status_code == 204:
            return
        reason = _reason(answer)
        if answer.status_code in (400, 413, 422):
            raise RefusedError(reason, too_large=answer.status_code == 413)
        raise UnavailableError(f"store write: HTTP {answer.status_code}: {reason}")

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()


class InfluxV1Store(InfluxStore):
    """A database of an InfluxDB 1.x server.

    Args:
        http: With base URL, credentials and time-out; the store closes it.
        database: The database's name.
    """

    def __init__(self, http: httpx.Client, database: str) -> None:
        super().__init__(V1Posts(http, database), http, database)


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])[:300]
    except (json.JSONDecodeError, KeyError, TypeError):
        return answer.text[:300]
