"""A small receiver of webhooks for trying things out: checks each one and hands it on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from frostline_cloud.notify.receivers.webhook import verify
from frostline_core.errors import ProtocolError

MOST_BODY_BYTES = 1024 * 1024
"""A larger webhook is answered 413 and not read."""

_QUIET_S = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One webhook as it came.

    Attributes:
        id: Its `webhook-id`; "" if it has none.
        type: Its type; "" if the body does not say.
        verified: Whether it is genuine and fresh.
        reason: Why not; "" where it is.
        body: The JSON object, or the text if it is none.
    """

    id: str
    type: str
    verified: bool
    reason: str
    body: Any


def serve(host: str, port: int, secrets: Sequence[str], heard: Callable[[Heard], None]) -> ThreadingHTTPServer:
    """A bound server; call `serve_forever` on it. Answers 204 to a genuine webhook and 400 to any other.

    Args:
        host: Address to listen on.
        port: 0 for any free one.
        secrets: `whsec_...`; one of them must match.
        heard: Called for each webhook, one at a time, after its answer has been decided and before it is sent.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _QUIET_S

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdigit():
                return self._answer(HTTPStatus.LENGTH_REQUIRED)
            if int(length) > MOST_BODY_BYTES:
                return self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            found = check(dict(self.headers.items()), self.rfile.read(int(length)), secrets, int(time.time()))
            heard(found)
            return self._answer(HTTPStatus.NO_CONTENT if found.verified else HTTPStatus.BAD_REQUEST, found.reason)

        def log_message(self, *_: object) -> None:
            """Silent: `heard` says what came."""

        def _answer(self, status: HTTPStatus, text: str = "") -> None:
            body = text.encode()
            self.send_response(status)
            if status is not HTTPStatus.NO_CONTENT:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if status is not HTTPStatus.NO_CONTENT:
                self.wfile.write(body)
            self.close_connection = True

    return ThreadingHTTPServer((host, port), Handler)


def check(headers: dict[str, str], body: bytes, secrets: Sequence[str], now_s: int) -> Heard:
    """Checks one webhook."""
    try:
        verify(headers, body, secrets, now_s)
        reason = ""
    except ProtocolError as error:
        reason = str(error)
    try:
        content: Any = json.loads(body)
    except ValueError:
        content = body.decode("utf-8", "replace")
    kind = content.get("type", "") if isinstance(content, dict) else ""
    message_id = {name.lower(): value for name, value in headers.items()}.get("webhook-id", "")
    return Heard(message_id, str(kind), not reason, reason, content)
