"""`frostline cloud dead-letters` and `refetch`: by the API of the running process, or directly on SQL."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import httpx
import typer
from pydantic import TypeAdapter, ValidationError

from frostline_cloud.api.parameters import Instant
from frostline_cloud.config import CloudConfig, load_cloud
from frostline_cloud.replay import replay as replay_letter
from frostline_cloud.replay import waiting
from frostline_cloud.sql import ledger, migrate, open_engine, read_only, translated
from frostline_cloud.sql.ledger import Span
from frostline_cloud.store import Store, open_store
from frostline_core.errors import ConfigError, UnavailableError

letters = typer.Typer(no_args_is_help=True, help="What could not be stored: list, show, take in after all.")

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="cloud.toml")]
Api = Annotated[
    str, typer.Option(help="Address of the running process, such as http://127.0.0.1:8080; without it, SQL directly.")
]
TokenFile = Annotated[Path | None, typer.Option(help="File with an API token; replay and refetch need an operator's.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]
Site = Annotated[str | None, typer.Option(help="Only this site.")]
Node = Annotated[str | None, typer.Option(help="Only this gateway.")]
Since = Annotated[str | None, typer.Option(help="Only what came since: UTC milliseconds, or 2026-01-31T12:00:00Z.")]

_PAGE = 500
_TIMEOUT_S = 30.0
_SHOWN = ("id", "site", "node", "device", "topic", "reason", "samples", "size", "at_ms", "replayed_ms")
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


@letters.command("list")
def list_letters(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    site: Site = None,
    node: Node = None,
    since: Since = None,
    api: Api = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """What could not be stored, newest first: number, time, state, place, size and reason."""
    waits = taken = 0
    with _letters(config, api, token_file) as found:
        for letter in found.listed(_span(site, node, since)):
            typer.echo(json.dumps(letter) if as_json else _line(letter))
            waits, taken = waits + (letter["replayed_ms"] is None), taken + (letter["replayed_ms"] is not None)
    if not as_json:
        typer.echo(f"{waits} wait, {taken} were taken in" if waits or taken else "no dead letters", err=True)


@letters.command()
def show(
    config: ConfigPath,
    letter_id: Annotated[int, typer.Argument(help="Its number.", min=1)],
    api: Api = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """One dead letter with the bytes that came."""
    with _letters(config, api, token_file) as found:
        letter = _known(found.one(letter_id), letter_id)
        if as_json:
            typer.echo(json.dumps(letter))
            return
        for name in _SHOWN:
            shown = _utc(letter[name]) if name.endswith("_ms") else letter[name]
            typer.echo(f"{name.removesuffix('_ms'):12} {shown}")
        typer.echo(f"{'raw':12} {base64.b64decode(letter['raw']).hex()}")


@letters.command()
def replay(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    letter_ids: Annotated[list[int] | None, typer.Argument(help="Their numbers.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every letter that site, node and since let through.")
    ] = False,
    site: Site = None,
    node: Node = None,
    since: Since = None,
    api: Api = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take letters in after all, with the births of today. Rules do not see them. Exit code 1 when some stay."""
    if bool(letter_ids) == everything:
        raise ConfigError("name the letters, or say --all")
    stayed = 0
    with _letters(config, api, token_file, writing=True) as found:
        for letter_id in letter_ids or found.waiting(_span(site, node, since)):
            done = _known(found.replay(letter_id), letter_id)
            stayed += bool(done["reason"])
            text = (
                f"{letter_id}\tstays: {done['reason']}" if done["reason"] else f"{letter_id}\t{done['samples']} stored"
            )
            typer.echo(json.dumps(done) if as_json else text)
    if stayed:
        raise typer.Exit(1)


def refetch(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    site: Annotated[str, typer.Option(help="The site.")],
    node: Annotated[str, typer.Option(help="The gateway.")],
    start: Annotated[str, typer.Option("--from", help="UTC milliseconds, or 2026-01-31T12:00:00Z.")],
    end: Annotated[str, typer.Option("--to", help="The same; not included.")],
    device: Annotated[str, typer.Option(help="Only this device.")] = "",
    api: Annotated[
        str, typer.Option(help="Address of the process with ingest; http.listen of the config if absent.")
    ] = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a gateway send a span of time again, as far as it still has it."""
    with api_client(api or own_address(load_cloud(config)), token_file) as client:
        body = {"from_ms": _instant(start, "--from"), "to_ms": _instant(end, "--to"), "device": device}
        asked = answered(client.post(f"/api/v1/nodes/{site}/{node}/refetch", json=body))
    said = f"{site}/{node} was asked; what it still has arrives in the background"
    typer.echo(json.dumps(asked) if as_json else said)


class SqlLetters:
    """Directly; the embedded store is one process's alone, and is opened only to replay."""

    def __init__(self, config: CloudConfig, store: Store | None) -> None:
        self._engine, self._store = open_engine(config.sql.url), store
        migrate(self._engine)

    def listed(self, span: Span) -> Iterator[Letter]:
        """See `Letters`."""
        before: int | None = None
        while True:
            page = Span(span.site, span.node, span.from_ms, None, before, _PAGE)
            with translated("SQL"), read_only(self._engine).connect() as connection:
                rows = ledger.dead_letters(connection, page)
            for row in rows:
                yield {name: getattr(row, name) for name in _SHOWN}
            if len(rows) < _PAGE:
                return
            before = rows[-1].id

    def one(self, letter_id: int) -> Letter | None:
        """See `Letters`."""
        with translated("SQL"), read_only(self._engine).connect() as connection:
            row = ledger.one_dead_letter(connection, letter_id)
        if row is None:
            return None
        known = {name: getattr(row, name) for name in _SHOWN if name != "size"}
        return known | {"size": len(row.raw), "raw": base64.b64encode(row.raw).decode()}

    def replay(self, letter_id: int) -> Letter | None:
        """See `Letters`."""
        if self._store is None:
            raise RuntimeError("opened for reading")
        done = replay_letter(self._engine, self._store, letter_id, time.time_ns() // 1_000_000)
        return None if done is None else {"id": done.id, "samples": done.samples, "reason": done.reason}

    def waiting(self, span: Span) -> list[int]:
        """See `Letters`."""
        return waiting(self._engine, span)

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()


class ApiLetters:
    """By the running process."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def listed(self, span: Span) -> Iterator[Letter]:
        """See `Letters`."""
        wanted = {"site": span.site, "node": span.node, "from": span.from_ms, "limit": _PAGE}
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
        return None if answer.status_code == httpx.codes.NOT_FOUND else answered(answer)

    def replay(self, letter_id: int) -> Letter | None:
        """See `Letters`."""
        answer = self._client.post(f"/api/v1/dead-letters/{letter_id}/replay")
        return None if answer.status_code == httpx.codes.NOT_FOUND else answered(answer)

    def waiting(self, span: Span) -> list[int]:
        """See `Letters`."""
        return sorted(int(each["id"]) for each in self.listed(span) if each["replayed_ms"] is None)


@contextmanager
def _letters(config: Path, api: str, token_file: Path | None, *, writing: bool = False) -> Iterator[Letters]:
    if api:
        with api_client(api, token_file) as client:
            yield ApiLetters(client)
        return
    loaded = load_cloud(config)
    store = _own_store(loaded) if writing else None
    direct = SqlLetters(loaded, store)
    try:
        yield direct
    finally:
        direct.close()
        if store is not None:
            store.close()


def _own_store(config: CloudConfig) -> Store:
    try:
        return open_store(config.store)
    except (ConfigError, UnavailableError) as error:
        hint = f"where a running process has it, replay through that: --api {own_address(config)} --token-file FILE"
        raise type(error)(f"{error}\n{hint}") from error


def api_client(address: str, token_file: Path | None) -> AbstractContextManager[httpx.Client]:
    """A client of a running process's API.

    Raises:
        ConfigError: The token cannot be read, or the address is none.
        UnavailableError: Nobody answers, at entry or while it is used.
    """
    headers = {}
    if token_file is not None:
        try:
            headers["Authorization"] = f"Bearer {token_file.read_text(encoding='utf-8').strip()}"
        except OSError as error:
            raise ConfigError(f"--token-file {token_file}: {error.strerror}") from error
    return _connected(address, headers)


@contextmanager
def _connected(address: str, headers: Mapping[str, str]) -> Iterator[httpx.Client]:
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
    if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise UnavailableError(detail)
    raise ConfigError(detail)


def own_address(config: CloudConfig) -> str:
    """Where the process of this config can be reached from its own machine."""
    scheme = "http" if config.http.cert_file is None else "https"
    host, port = config.http.address
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


def _span(site: str | None, node: str | None, since: str | None) -> Span:
    return Span(site, node, None if since is None else _instant(since, "--since"), None, None, _PAGE)


def _instant(text: str, option: str) -> int:
    try:
        found: int = TypeAdapter(Instant).validate_python(text)
    except ValidationError as error:
        raise ConfigError(f"{option} {text}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error
    return found


def _known(letter: Letter | None, letter_id: int) -> Letter:
    if letter is None:
        raise ConfigError(f"there is no dead letter {letter_id}")
    return letter


def _line(letter: Letter) -> str:
    place = "/".join(part for part in (letter["site"], letter["node"], letter["device"]) if part)
    taken = "taken in" if letter["replayed_ms"] is not None else "waits"
    return f"{letter['id']}\t{_utc(letter['at_ms'])}\t{taken}\t{place}\t{letter['size']} bytes\t{letter['reason']}"


def _utc(at_ms: int | None) -> str:
    return "" if at_ms is None else time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000))
