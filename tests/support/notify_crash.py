"""A notify worker that is a process of its own and kills itself at a chosen step; see `test_notify_crash.py`.

It dies by SIGKILL, from inside a commit or a send: nothing is flushed, closed or rolled back by Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from frostline_cloud.notify import NotifyWorker, Plan, RouteConfig
from frostline_cloud.notify.receivers.receiver import Attempt, Message
from frostline_cloud.notify.receivers.webhook import Webhook, WebhookConfig
from frostline_cloud.sql import open_engine
from frostline_core.config import parse

STEPS = ("before commit", "after commit", "before send", "after send", "never")


def die() -> None:
    """At once."""
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Webhook):
    """A webhook whose process may die before or after a request."""

    def __init__(self, config: WebhookConfig, step: str, after: int) -> None:
        super().__init__(config)
        self._step, self._left = step, after

    async def send(self, message: Message, now_s: int) -> Attempt:
        """Sends, unless it dies."""
        if self._step == "before send":
            self._count()
        attempt = await super().send(message, now_s)
        if self._step == "after send":
            self._count()
        return attempt

    def _count(self) -> None:
        self._left -= 1
        if self._left <= 0:
            die()


def mortal_commits(engine: Engine, step: str, after: int) -> None:
    """Dies at the `after`-th commit that wrote something, just before or just after it."""
    left = [after]

    def wrote(connection: Any) -> bool:
        return bool(connection.info.pop("wrote", False))

    @event.listens_for(engine, "before_cursor_execute")
    def note(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            connection.info["wrote"] = True

    @event.listens_for(engine, "commit")
    def commit(connection: Any) -> None:
        if not wrote(connection):
            return
        left[0] -= 1
        if left[0] > 0:
            return
        if step == "after commit":
            connection.connection.driver_connection.execute("COMMIT")
        die()


def main(setup: str, step: str, after: str) -> None:
    """Works until nothing is left, or dies.

    Args:
        setup: JSON: `sql`, `receiver`, `route` (tables as in cloud.toml) and `now_ms`.
        step: One of `STEPS`.
        after: At the how-manieth time.
    """
    given = json.loads(setup)
    engine = open_engine(given["sql"])
    if step.endswith("commit"):
        mortal_commits(engine, step, int(after))
    receiver = Mortal(parse(given["receiver"], WebhookConfig, "setup"), step, int(after))
    plan = Plan((receiver.name,), (parse(given["route"], RouteConfig, "setup"),))
    worker = NotifyWorker(engine, [receiver], lambda: int(given["now_ms"]), random.Random(1), plan=plan)  # noqa: S311 - jitter

    async def work() -> None:
        while await worker.run_once():
            pass
        await worker.close()

    asyncio.run(work())


if __name__ == "__main__":
    main(*sys.argv[1:])
