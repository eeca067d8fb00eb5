"""Who calls, and what they may do: a bearer token, a console session, or the open demo on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from frostline_cloud.api import sessions
from frostline_cloud.api.limiter import FailureLimit
from frostline_cloud.api.services import Services
from frostline_cloud.api.tokens import Role, TokenRecord, find_token, token_by_id
from frostline_core.endpoint import is_loopback

_BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of `frostline cloud token create NAME --role ROLE`."
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: The token's name; stands in acknowledgements.
        role: What they may do.
    """

    name: str
    role: Role


DEMO = Caller("demo", Role.OPERATOR)


class Access:
    """Finds out who calls.

    A wrong token counts against the caller's address: 10 in a minute, then 429 until the minute is over.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._limit = FailureLimit()
        with services.writing() as connection:
            self._key = sessions.cookie_key(connection)

    def caller(self, request: HTTPConnection, bearer: str | None = None) -> Caller | None:
        """Who calls; None when nothing says so.

        Raises:
            HTTPException: 401 for a wrong token, 429 after too many wrong ones.
            UnavailableError: SQL does not answer.
        """
        if bearer is not None:
            return _caller(self.check(request, bearer))
        cookie = request.cookies.get(sessions.COOKIE)
        if cookie is not None:
            record = self._session(cookie)
            if record is not None:
                return _caller(record)
        return DEMO if self._open(request) else None

    def check(self, request: HTTPConnection, text: str) -> TokenRecord:
        """The token with that text.

        Raises:
            HTTPException: 401 when there is none, 429 after too many wrong ones.
        """
        address, now_ms = _address(request), self._services.clock()
        wait_ms = self._limit.wait_ms(address, now_ms)
        if wait_ms > 0:
            seconds = str(wait_ms // 1000 + 1)
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS, f"too many wrong tokens; wait {seconds} s", {"Retry-After": seconds}
            )
        with self._services.reading() as connection:
            record = find_token(connection, text, now_ms)
        if record is None:
            self._limit.failed(address, now_ms)
            raise _unauthorized("the token is wrong, expired or revoked")
        return record

    def session(self, record: TokenRecord) -> tuple[str, int]:
        """A cookie's value for that token, and how many seconds it lasts."""
        lasts_ms = round(self._services.config.session_hours * 3_600_000)
        return sessions.sign(self._key, record.id, self._services.clock() + lasts_ms), lasts_ms // 1000

    def _session(self, cookie: str) -> TokenRecord | None:
        now_ms = self._services.clock()
        number = sessions.read(self._key, cookie, now_ms)
        if number is None:
            return None
        with self._services.reading() as connection:
            return token_by_id(connection, number, now_ms)

    def _open(self, request: HTTPConnection) -> bool:
        """Open only to who reaches us as this machine: a foreign name that resolves to it (DNS rebinding) does not."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        return self._services.config.demo_open and is_loopback(host)


def same_origin(request: HTTPConnection) -> bool:
    """Whether a browser sends this from a page of ours; programs say no origin."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def needs(role: Role) -> Callable[..., Caller]:
    """The dependency that lets in callers of at least that role."""

    def let_in(request: Request, bearer: Bearer) -> Caller:
        access: Access = request.app.state.access
        caller = access.caller(request, None if bearer is None else bearer.credentials)
        if caller is None:
            raise _unauthorized("a token is needed: Authorization: Bearer frost_...")
        if bearer is None and request.method not in _SAFE and not same_origin(request):
            raise HTTPException(HTTPStatus.FORBIDDEN, "this request comes from a page of another site")
        if not caller.role.may(role):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"this needs the role {role}; {caller.name} is {caller.role}")
        return caller

    return let_in


Viewer = Annotated[Caller, Depends(needs(Role.VIEWER))]
Operator = Annotated[Caller, Depends(needs(Role.OPERATOR))]


def _caller(record: TokenRecord) -> Caller:
    return Caller(record.name, record.role)


def _address(request: HTTPConnection) -> str:
    return request.client.host if request.client is not None else "?"


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})
