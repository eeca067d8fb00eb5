"""One flight of the canary after another: it measures what is too warm, and waits until its receiver has been told.

The latency runs from the measurement to the receiver's answer. A flight is written down before it begins, so that one
that a crash cut short counts as failed. Its failure is an alert, told to another receiver.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, Engine, delete, insert, select, update

from frostline_cloud.alerts.event import EventType
from frostline_cloud.ingest.config import BrokerConfig
from frostline_cloud.notify import faults
from frostline_cloud.notify.canary.node import DEVICE, CanaryNode
from frostline_cloud.notify.canary.rule import WARM, WELL
from frostline_cloud.notify.config import CanaryConfig
from frostline_cloud.notify.faults import Fault
from frostline_cloud.notify.outbox import UNADDRESSED, RowState
from frostline_cloud.notify.plan import CANARY_RULE
from frostline_cloud.sql import read_only, translated
from frostline_cloud.sql.tables import alert, canary, outbox
from frostline_core.errors import FrostlineError, UnavailableError
from frostline_core.rules import OPEN

log = logging.getLogger("frostline.notify.canary")

LOOK_EVERY_S = 5.0
"""How often somebody should ask whether a flight is due."""

KEPT = 10_000
"""Flights that are kept."""

_POLL_S = 0.1
_CUT_SHORT = "cut short"


class Canary:
    """Flies when it is due.

    Args:
        engine: SQL.
        broker: As ingest has it.
        config: The schedule, and who is told.
        clock: UTC milliseconds.
    """

    def __init__(self, engine: Engine, broker: BrokerConfig, config: CanaryConfig, clock: Callable[[], int]) -> None:
        self._engine, self._broker, self._config, self._clock = engine, broker, config, clock
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends a flight that is under way, as if it had not been."""
        self._stopped.set()

    def fly_when_due(self) -> bool:
        """Flies, if the last flight is long enough ago; returns whether it did. Blocks, up to the time-out.

        Raises:
            UnavailableError: SQL does not answer.
        """
        with translated("sql"), read_only(self._engine).connect() as connection:
            last = connection.execute(select(canary).order_by(canary.c.id.desc()).limit(1)).first()
        pause_ms = self._config.every_hours * 3_600_000
        if last is not None and last.error != _CUT_SHORT and self._clock() - last.at_ms < pause_ms:
            return False
        self.fly()
        return True

    def fly(self) -> str:
        """One flight; returns what went wrong, "" if nothing did.

        Raises:
            UnavailableError: SQL does not answer.
        """
        with translated("sql"), self._engine.begin() as connection:
            begun = {"at_ms": self._clock(), "receiver": self._config.to, "error": _CUT_SHORT}
            made = connection.execute(insert(canary).values(**begun)).inserted_primary_key
            number = int(made[0]) if made is not None else 0
            connection.execute(delete(canary).where(canary.c.id <= number - KEPT))
        took_ms, error = self._tried()
        if self._stopped.is_set() and error:
            with translated("sql"), self._engine.begin() as connection:
                connection.execute(delete(canary).where(canary.c.id == number))
            return ""
        with translated("sql"), self._engine.begin() as connection:
            ended = {"took_ms": took_ms, "error": error}
            connection.execute(update(canary).where(canary.c.id == number).values(**ended))
            fault = Fault(faults.MISSED_RULE, self._config.to, 1 if error else 0, error or "it arrived again")
            change = faults.begin if error else faults.end
            change(connection, fault, [self._config.alarm], self._clock())
        if error:
            log.error("the canary did not reach %s: %s", self._config.to, error)
        return error

    def _tried(self) -> tuple[int | None, str]:
        until = time.monotonic() + self._config.timeout_s
        try:
            with CanaryNode(self._broker, (self._config.site, self._config.node), self._clock) as node:
                self._wait(node, until, lambda: node.may_birth, "ingest is not online")
                node.birth()
                node.measure(WELL, self._clock())  # also ends what a flight that was cut short left behind
                node.listen(_POLL_S)  # the excursion is later than that by more than a millisecond
                self._wait(node, until, lambda: not self._is_open(), "an earlier flight's alert does not end")
                at_ms = self._clock()
                node.measure(WARM, at_ms)
                done_ms = self._arrival(node, until, at_ms)
                node.measure(WELL, self._clock())
                return (None, self._where(at_ms)) if done_ms is None else (max(0, done_ms - at_ms), "")
        except FrostlineError as error:
            return None, str(error)

    def _wait(self, node: CanaryNode, until: float, is_so: Callable[[], bool], else_: str) -> None:
        while not is_so():
            if time.monotonic() > until or self._stopped.is_set():
                raise UnavailableError(f"{else_} within {self._config.timeout_s:g} s")
            node.listen(_POLL_S)

    def _arrival(self, node: CanaryNode, until: float, at_ms: int) -> int | None:
        """When the receiver had it; None if it had not in time."""
        while True:
            with translated("sql"), read_only(self._engine).connect() as connection:
                told = select(outbox.c.done_ms).join(alert, alert.c.id == outbox.c.alert)
                mine = (*self._mine(), alert.c.fired_ms == at_ms, outbox.c.receiver == self._config.to)
                done = (outbox.c.type == EventType.FIRING.value, outbox.c.state == RowState.DELIVERED.value)
                row = connection.execute(told.where(*mine, *done)).first()
            if row is not None or time.monotonic() > until or self._stopped.is_set():
                return None if row is None else row.done_ms
            node.listen(_POLL_S)

    def _is_open(self) -> bool:
        states = [phase.value for phase in OPEN]
        with translated("sql"), read_only(self._engine).connect() as connection:
            query = select(alert.c.id).where(*self._mine(), alert.c.state.in_(states))
            return connection.execute(query.limit(1)).first() is not None

    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        place = (alert.c.site == self._config.site, alert.c.node == self._config.node, alert.c.device == DEVICE)
        return (alert.c.rule == CANARY_RULE, *place)

    def _where(self, at_ms: int) -> str:
        """How far it came."""
        late = f"not told within {self._config.timeout_s:g} s"
        with translated("sql"), read_only(self._engine).connect() as connection:
            opened = connection.execute(select(alert.c.id).where(*self._mine(), alert.c.fired_ms == at_ms)).first()
            if opened is None:
                return f"{late}: its sample raised no alert"
            rows = connection.execute(select(outbox).where(outbox.c.alert == opened.id)).all()
        mine = [row for row in rows if row.receiver == self._config.to]
        if not mine:
            waits = any(row.receiver == UNADDRESSED and row.state == RowState.WAITING for row in rows)
            return f"{late}: its alert {'waits for dispatch' if waits else 'was dispatched to others'}"
        return f"{late}: the notification is {mine[0].state} after {mine[0].attempts} attempts"
