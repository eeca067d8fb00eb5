"""A running process as the command line works with it: its API, or its databases where it does not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from frostline_cloud.config import CloudConfig
from frostline_cloud.store import Store, open_store
from frostline_core.config import text
from frostline_core.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    import httpx

Api = Annotated[
    str, typer.Option(help="Address of the running process, such as http://127.0.0.1:8080; without it, SQL directly.")
]
TokenFile = Annotated[
    Path | None, typer.Option(help="File with an API token; what changes anything needs an operator's.")
]

_TIMEOUT_S = 30.0


def api_client(address: str, token_file: Path | None) -> AbstractContextManager[httpx.Client]:
    """A client of a running process's API.

    Raises:
        ConfigError: The token cannot be read or sent, or the address is none.
        UnavailableError: Nobody answers, at entry or while it is used.
    """
    headers = {}
    if token_file is not None:
        token = text(token_file).strip()
        if not (token and token.isascii() and token.isprintable()):
            raise ConfigError(f"--token-file {token_file}: holds no token; it is one line of letters and digits")
        headers["Authorization"] = f"Bearer {token}"
    return _connected(address, headers)


def place(*parts: str) -> str:
    """The path of something in the API; a name from the field may hold what means something in a URL."""
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)


@contextmanager
def _connected(address: str, headers: Mapping[str, str]) -> Iterator[httpx.Client]:
    import httpx

    try:
        with httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S) as client:
            yield client
    except httpx.HTTPError as error:
        hint = "does the process run, and is this its http.listen? Another address is given with --api"
        raise UnavailableError(f"{address} does not answer: {error}\n{hint}") from error
    except httpx.InvalidURL as error:
        raise ConfigError(f"--api {address}: {error}") from error


def answered(answer: httpx.Response) -> Any:
    """The document, or the problem as an error.

    Raises:
        ConfigError: The request is wrong, or not allowed.
        UnavailableError: Try again later.
    """
    try:
        told = answer.json()
    except ValueError as error:
        raise UnavailableError(f"{answer.url} answers {answer.status_code}, and not as Frostline does") from error
    if answer.is_success:
        return told
    detail = f"{answer.status_code}: {told.get('detail', '') if isinstance(told, dict) else ''}"
    if answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise UnavailableError(detail)
    raise ConfigError(detail)


def own_address(config: CloudConfig) -> str:
    """Where the process of this config can be reached from its own machine."""
    scheme = "http" if config.http.cert_file is None else "https"
    host, port = config.http.address
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


def own_store(config: CloudConfig, doing: str) -> Store:
    """The store, opened here; the embedded one is one process's alone.

    Args:
        config: Which.
        doing: What can be done by the API instead, for the error.

    Raises:
        ConfigError: It cannot be opened as configured.
        UnavailableError: It does not answer, or another process has it.
    """
    try:
        return open_store(config.store)
    except (ConfigError, UnavailableError) as error:
        hint = f"where a running process has it, {doing} through that: --api {own_address(config)} --token-file FILE"
        raise type(error)(f"{error}\n{hint}") from error
