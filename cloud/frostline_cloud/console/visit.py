"""Where the console asks and acts: as whoever looks, by the functions of the API, so that the same rules hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from frostline_cloud.api import Access, Caller, Role, Services
from frostline_cloud.console.wall import Wall
from frostline_core.errors import FrostlineError, UnavailableError

T = TypeVar("T")
Call = Callable[[Services, Caller], T]
"""A function of the API; what it needs besides is bound already."""


class NotDoneError(FrostlineError):
    """What somebody wanted was not done; for them, with what to do."""


@dataclass(slots=True)
class Visit:
    """One visit.

    Attributes:
        access: Who calls.
        services: What the API works with.
        request: Of the page: its cookie says who looks.
        wall: The reader's time zone; the page shows nothing of its own before it is known.
    """

    access: Access
    services: Services
    request: Request
    wall: Wall = field(default_factory=Wall)

    async def caller(self) -> Caller | None:
        """Who looks, asked anew each time: a revoked token closes open pages too.

        Raises:
            UnavailableError: SQL does not answer.
        """
        return await asyncio.to_thread(self.access.caller, self.request)

    async def read(self, call: Call[T]) -> T:
        """What the API answers.

        Raises:
            NotDoneError: There is no such thing, or nobody is logged in.
            UnavailableError: SQL or the store does not answer.
        """
        try:
            return await self._as(Role.VIEWER, call)
        except NotDoneError as error:
            said = str(error)
            raise NotDoneError(said[:1].upper() + said[1:]) from error

    async def act(self, call: Call[T]) -> T:
        """Changes something, as an operator.

        Raises:
            NotDoneError: It is not allowed, does not fit, or SQL does not answer: nothing has changed.
        """
        try:
            return await self._as(Role.OPERATOR, call)
        except NotDoneError as error:
            raise NotDoneError(f"Not done: {error}") from error
        except UnavailableError as error:
            raise NotDoneError(f"Not done: {error}. Try again in a moment.") from error

    async def _as(self, role: Role, call: Call[T]) -> T:
        caller = await self.caller()
        if caller is None:
            raise NotDoneError("you are logged out. Log in again.")
        if not caller.role.may(role):
            raise NotDoneError(f"this needs the role {role}, and {caller.name} is {caller.role}.")
        try:
            return await asyncio.to_thread(call, self.services, caller)
        except (HTTPException, RequestValidationError, ValidationError) as error:
            raise NotDoneError(f"{_words(error)}.") from error


def _words(error: HTTPException | RequestValidationError | ValidationError) -> str:
    if isinstance(error, HTTPException):
        return str(error.detail)
    return "; ".join(str(each["msg"]).removeprefix("Value error, ") for each in error.errors())
