"""VictoriaMetrics: /api/v2/write over urllib3, which costs a third of what other clients cost here, and no memory."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import urllib3
from urllib3.util import make_headers

from frostline_cloud.store.line_writer import RefusedError
from frostline_core.errors import UnavailableError

_TAKEN = (200, 204)
_REFUSED = (400, 413, 422)
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a proxy in front of the server may ask for; each "" where it does not.

    Attributes:
        username: With the password.
        password: Of the user.
        token: In place of both.
    """

    username: str = ""
    password: str = ""
    token: str = ""

    def headers(self) -> dict[str, str]:
        """The header that carries them."""
        if self.token:
            return {"Authorization": f"Token {self.token}"}
        return dict(make_headers(basic_auth=f"{self.username}:{self.password}")) if self.username else {}


class VictoriaPosts:
    """Posts lines: one request, no retry, an error for everything but success.

    Args:
        url: Base URL.
        credentials: Sent with each request.
        timeout_s: Of one request.
        trust: Whose certificates to trust.
    """

    def __init__(self, url: str, credentials: Credentials, timeout_s: float, trust: ssl.SSLContext) -> None:
        target = urllib3.util.parse_url(url)
        self._path = f"{(target.path or '').rstrip('/')}/api/v2/write?precision=ms"
        self._timeout_s = timeout_s
        self._pool = urllib3.connection_from_url(
            url,
            headers=credentials.headers(),
            timeout=urllib3.Timeout(timeout_s),
            retries=False,  # also no redirect: what is not taken here is not taken
            **({"ssl_context": trust} if target.scheme == "https" else {}),
        )

    def send(self, body: bytes) -> None:
        """Posts the lines of one request.

        Raises:
            UnavailableError: No success, and not for what the lines are.
            RefusedError: 400 or 422 (lines), 413 (length).
        """
        try:
            answer = self._pool.request("POST", self._path, body=body)
        except urllib3.exceptions.TimeoutError as error:  # its own text differs each time, by microseconds
            raise UnavailableError(f"store write: no answer within {self._timeout_s:g} s") from error
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(f"store write: {error}") from error
        if answer.status in _TAKEN:
            return
        reason = answer.data[:300].decode(errors="replace")
        if answer.status in _REFUSED:
            raise RefusedError(reason, too_large=answer.status == _TOO_LARGE)
        raise UnavailableError(f"store write: HTTP {answer.status}: {reason}")

    def close(self) -> None:
        """Closes the connections."""
        self._pool.close()
