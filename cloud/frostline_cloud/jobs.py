"""Work that returns: run on a thread each so many seconds, an outage of SQL or store logged once and not each time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from frostline_core.errors import UnavailableError

log = logging.getLogger("frostline.jobs")


async def every(seconds: float, name: str, work: Callable[[], object], stop: asyncio.Event) -> None:
    """Runs `work` at once and then each so many seconds, until `stop` is set.

    UnavailableError is waited out; anything else ends the process, as it should.

    Args:
        seconds: Pause between the end of one run and the start of the next.
        name: For the log.
        work: Runs on a thread of its own; it must have time-outs inside.
        stop: Ends it.
    """
    said = ""
    while not stop.is_set():
        try:
            await asyncio.to_thread(work)
        except UnavailableError as error:
            if str(error) != said:
                said = str(error)
                log.warning("%s: %s; trying again in %.0f s", name, error, seconds)
        else:
            said = ""
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
