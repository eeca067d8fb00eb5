"""Data that SQL refuses for what it is, and what it keeps that nobody can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import StatementError

from frostline_core.errors import FrostlineError, UnavailableError

_MOST_CHARS = 500


class RefusedDataError(FrostlineError):
    """SQL works and does not take this; the message is fit to be stored itself."""


@contextmanager
def refusals() -> Iterator[None]:
    """Tells data that cannot be stored from a database that cannot store; around `translated`.

    A number too large for any column and text that is no Unicode never reach the database: the driver raises.

    Raises:
        RefusedDataError: SQL, or its driver, refuses the data.
    """
    try:
        yield
    except (StatementError, OverflowError, UnicodeError) as error:
        cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
        text = str(cause).partition("\n")[0].replace("\0", "").encode(errors="replace").decode()
        raise RefusedDataError(f"SQL refuses the data: {text:.{_MOST_CHARS}}") from error


@contextmanager
def legible() -> Iterator[None]:
    """Around reading what ingest goes on from; outside of `translated`.

    What is there and cannot be read is an outage: without it rules would go on as if nothing had been. Nothing is
    committed meanwhile, so that nothing is lost.

    Raises:
        UnavailableError: A row cannot be read.
    """
    try:
        yield
    except (StatementError, UnicodeError, ValueError, RecursionError) as error:
        said = str(error).partition("\n")[0]
        raise UnavailableError(f"SQL: what is kept cannot be read: {said:.{_MOST_CHARS}}; restore a backup") from error
