"""Errors as problem documents.

Source: RFC 9457, Problem Details for HTTP APIs (`application/problem+json`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from frostline_core.errors import ConfigError, FrostlineError, UnavailableError

MEDIA_TYPE = "application/problem+json"
_RETRY_S = 5


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="The parameter or field, for example `query.limit`.")
    message: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(default="about:blank", description="Always `about:blank`: the status says what kind it is.")
    title: str = Field(description="The name of the status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, and where possible what would help.")
    errors: list[Fault] = Field(default=[], description="For 422: each fault of the request.")


def problem(
    status: int, detail: str, errors: list[Fault] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A response that carries a problem."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def not_found(what: str) -> HTTPException:
    """The error for something that is not there."""
    return HTTPException(HTTPStatus.NOT_FOUND, f"{what} is not known here")


@contextmanager
def conflicts(kind: type[FrostlineError] = ConfigError) -> Iterator[None]:
    """Around what cannot be done as things are.

    Raises:
        HTTPException: 409, with what an error of that kind says.
    """
    try:
        yield
    except kind as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error


def unfit(where: str, message: str) -> RequestValidationError:
    """The error for a parameter that is well formed and still wrong."""
    return RequestValidationError([{"loc": tuple(where.split(".")), "msg": message, "type": "value_error"}])


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem document."""
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(UnavailableError, _of_unavailable)
    app.add_exception_handler(Exception, _of_fault)


def _of_http(_request: Request, error: Exception) -> JSONResponse:
    known = error if isinstance(error, HTTPException) else HTTPException(500)
    return problem(known.status_code, str(known.detail), headers=known.headers)


def _of_validation(_request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [Fault(where=".".join(str(part) for part in each["loc"]), message=str(each["msg"])) for each in found]
    detail = "; ".join(f"{fault.where}: {fault.message}" for fault in faults)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults)


def _of_unavailable(_request: Request, error: Exception) -> JSONResponse:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": str(_RETRY_S)})


def _of_fault(_request: Request, _error: Exception) -> JSONResponse:
    """The server logs the error itself; what it says stays inside."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of ours; the server's log has it")
