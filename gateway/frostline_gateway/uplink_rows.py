"""Rows as messages: what is stored, with the batch's mark, after the births that it needs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from frostline_core.commit import BATCH, Send, pack_batch, run_text
from frostline_core.errors import ConfigError, ProtocolError
from frostline_core.reading import Lane
from frostline_core.sparkplug import EdgeSession, MismatchError, Outgoing, PayloadMessage, UndeclaredError, parse
from frostline_gateway.spool import gaps
from frostline_gateway.spool.rows import Lost, gap_payload
from frostline_gateway.uplink_births import Births

log = logging.getLogger("frostline.uplink")

_DECLARE_TRIES = 2
"""One birth for metrics that are missing, one for those whose type cannot be converted."""


class RowMessages:
    """Of one session.

    Args:
        edge: Gives aliases and seq.
        births: What devices are, and what their rows need.
        utc_ms: Time of day.
    """

    def __init__(self, edge: EdgeSession, births: Births, utc_ms: Callable[[], int]) -> None:
        self._edge, self._births, self._utc_ms = edge, births, utc_ms

    def of(self, send: Send) -> list[Outgoing]:
        """What to publish for a row, in this order: births that it needs, then the row. Empty: NBIRTH comes first.

        A row that is damaged must not stop its run: its number goes out as a gap.

        Raises:
            UnavailableError: The spool cannot be read.
        """
        try:
            return self._with_births(send)
        except (ProtocolError, ConfigError, ValueError) as error:
            log.error("row %d of run %s is listed as lost: %s", send.row.n, run_text(send.row.run), error)
            row = replace(send.row, payload=b"", reason=f"not readable in the spool: {error}")
            return [self._data(replace(send, row=row, mark=replace(send.mark, gap=True)))]

    def _with_births(self, send: Send) -> list[Outgoing]:
        device = send.row.device
        births: list[Outgoing] = []
        for _ in range(_DECLARE_TRIES):
            try:
                return [*births, self._data(send)]
            except UndeclaredError as error:
                self._births.need(device, parse(send.row.payload), error.names)
            except MismatchError:
                self._births.need(device, parse(send.row.payload))
            if not device:
                return []
            births += self._born(device)
        return [*births, self._data(send)]

    def _born(self, device: str) -> list[Outgoing]:
        now = self._utc_ms()
        birth = self._edge.device_birth(now, self._births.of(device))
        if self._births.answers(device):
            return [birth]
        return [birth, self._edge.device_death(now, device)]  # rows outlive devices

    def _data(self, send: Send) -> Outgoing:
        device = "" if send.mark.gap else send.row.device
        return self._edge.data_message(
            self._utc_ms(), device, self._message(send), historical=send.lane is Lane.BACKLOG
        )

    def _message(self, send: Send) -> PayloadMessage:
        row = send.row
        if send.mark.gap:
            whole = Lost(row.reason, row.samples, row.first_ms, row.last_ms)
            message = parse(gap_payload(whole, gaps.unpack(row.payload, whole)))
        else:
            message = parse(row.payload)
        if self._edge.proved:
            batch = message.metrics.add()
            batch.name = BATCH
            batch.is_transient = True
            batch.timestamp = self._utc_ms()
            batch.bytes_value = pack_batch(send.mark)
        return message
