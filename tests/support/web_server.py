"""`python -m tests.support.web_server FOLDER [open]`: API and console of a seeded cold store on a free port.

Prints the URL and tokens as JSON, then serves until SIGTERM. Time runs; the seeded samples end when it starts.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from frostline_cloud.api import HttpConfig, Role, build, create_token
from frostline_cloud.api.listener import listen
from frostline_cloud.api.server import serve
from frostline_cloud.console import mount
from tests.support.rota import plan
from tests.support.web import Cloud, seed


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _main(folder: Path, *, demo_open: bool) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = HttpConfig(listen="127.0.0.1:0", demo_open=demo_open)
    made = Cloud().services(folder, config)
    services = replace(made, config=config, clock=_now_ms, plan=plan())
    seed(services.engine, services.store, _now_ms())
    with services.writing() as connection:
        token = create_token(connection, "anna", Role.OPERATOR, _now_ms())
        viewer = create_token(connection, "victor", Role.VIEWER, _now_ms())
    app = build(services)
    mount(app, services)
    listener = listen(config)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(json.dumps({"url": url, "token": token, "viewer": viewer}), flush=True)  # noqa: T201
    await serve(app, config, stop, listener)
    services.store.close()
    services.engine.dispose()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), demo_open="open" in sys.argv[2:]))
