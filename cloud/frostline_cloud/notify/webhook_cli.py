"""`frostline webhook`: a receiver for trying things out, and secrets."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import asdict
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import typer

from frostline_cloud.instant import now_ms, utc
from frostline_cloud.notify.listener import Heard, serve
from frostline_cloud.notify.receivers.webhook.signature import key, new_secret
from frostline_core.errors import ConfigError, UnavailableError

app = typer.Typer(no_args_is_help=True, help="Receive webhooks for a try, and make secrets for them.")

_SHOWN = "{at}  {type:<14}  {proof:<8}  {summary}"


@app.command("new-secret")
def new_secret_command() -> None:
    """Print a fresh secret; keep it in a file that only the two sides can read."""
    typer.echo(new_secret())


@app.command()
def listen(
    secret_file: Annotated[
        Path, typer.Option(help="File with the whsec_ secret; several lines while secrets are changed.")
    ],
    listen: Annotated[str, typer.Option(help="Address and port; port 0 takes any free one.")] = "127.0.0.1:8090",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    count: Annotated[int, typer.Option(min=0, help="Stop after so many webhooks; 0 never stops.")] = 0,
) -> None:
    """Print each webhook, when it came (UTC), and whether it is genuine."""
    host, port = _address(listen)
    secrets = _secrets(secret_file)
    lock = threading.Lock()
    seen = 0

    def heard(webhook: Heard) -> None:
        nonlocal seen
        with lock:
            typer.echo(json.dumps(asdict(webhook)) if as_json else _line(webhook))
            seen += 1
            if seen == count:
                threading.Thread(target=server.shutdown).start()

    try:
        server = serve(host, port, secrets, heard)
    except OSError as error:
        raise UnavailableError(f"cannot listen on {listen}: {error.strerror}") from error
    _run(server)


def _run(server: ThreadingHTTPServer) -> None:
    """Serves until `shutdown`, Ctrl-C or SIGTERM; an answer under way is finished."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.daemon_threads = False
    try:
        host, port = server.server_address[:2]
        typer.echo(f"listening on http://{host!s}:{port}", err=True)
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def _line(webhook: Heard) -> str:
    body = webhook.body if isinstance(webhook.body, dict) else {}
    summary = webhook.reason or str(body.get("summary", ""))
    proof = "verified" if webhook.verified else "REFUSED"
    return _SHOWN.format(at=utc(now_ms()), type=webhook.type, proof=proof, summary=summary)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--listen {listen}: must be address:port, for example 127.0.0.1:8090")
    return host.strip("[]"), int(port)


def _secrets(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise ConfigError(f"--secret-file {path}: {os.strerror(error.errno or 0)}") from error
    for line in lines:
        key(line, f"--secret-file {path}")
    if not lines:
        raise ConfigError(f"--secret-file {path}: is empty; make a secret: frostline webhook new-secret")
    return lines
