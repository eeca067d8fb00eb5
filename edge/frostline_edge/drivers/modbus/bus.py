"""One Modbus connection, made safe: one request at a time, and no number without the answer that belongs to it.

A line (`tcp`, `rtu`) carries one request and one answer; what may go wrong with them is settled here:

* Nothing is tried again, nothing reconnects by itself. A lost line is an UnavailableError for the supervisor.
* Unit, function, transaction, length and echo of an answer must match.
* RTU has no transaction ids, so that an answer which comes after its time-out would pass for the next one, and every
  later value would be its neighbour's. Here the bus stays quiet after a time-out (`quiet_s`, no less than `timeout_s`),
  and the unit that was late is then asked for another number of registers first: only when the lengths agree are its
  answers believed again.
* Bytes that make no frame end the connection (TCP), or are waited out (serial line).

Every wait is bounded: connecting and each answer by `timeout_s`, silence by twice `quiet_s`.
"""

from __future__ import annotations

import asyncio
import termios
import time
from collections.abc import Callable, Sequence
from math import ceil

from frostline_core.errors import UnavailableError
from frostline_edge.drivers.modbus import pdu
from frostline_edge.drivers.modbus.config import Config
from frostline_edge.drivers.modbus.faults import NOT_REACHED, REFUSALS, GarbledError, RefusedError, SilentError
from frostline_edge.drivers.modbus.late import BIT_TABLES, Late, Span
from frostline_edge.drivers.modbus.line import Line, line_for
from frostline_edge.drivers.modbus.pdu import Answer, LineLostError, NoAnswerError, Request
from frostline_edge.drivers.modbus.turns import Priority, Turns
from frostline_edge.profiles.model import Table

_READ = {
    Table.COIL: pdu.READ_COILS,
    Table.DISCRETE: pdu.READ_DISCRETE,
    Table.HOLDING: pdu.READ_HOLDING,
    Table.INPUT: pdu.READ_INPUT,
}
# Modbus over Serial Line V1.02, section 2.5.1.1: 3.5 characters of 11 bits between frames, at least 1.75 ms.
_FRAME_GAP_BITS = 3.5 * 11
_LEAST_FRAME_GAP_S = 0.00175
# Bytes that arrive while the bus should be silent belong to a frame of at most 256 bytes; give its rest time to come.
_STRAGGLER_S = 0.05


class Bus:
    """The connection that a config describes; opened by the first request, and again after it was dropped."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._is_rtu = config.transport != "tcp"
        self._quiet_s = max(config.quiet_s, config.timeout_s)
        gap_s = max(_FRAME_GAP_BITS / config.baud, _LEAST_FRAME_GAP_S) if config.transport == "rtu" else 0.0
        self._gap_s = max(config.pause_s, gap_s)
        self._turns = Turns()
        self._line: Line | None = None
        self._ended_s = 0.0
        self._free_at_s = 0.0
        self._late: dict[int, Late] = {}

    @property
    def where(self) -> str:
        """The other end, for messages."""
        config = self._config
        return config.device if config.transport == "rtu" else f"{config.host}:{config.port}"

    async def open(self) -> None:
        """Connects now, so that an absent line is known before anything is asked.

        Raises:
            UnavailableError: Nobody listens there, or the serial port cannot be opened.
        """
        async with self._turns.turn(Priority.POLL):
            await self._connected()

    async def renew(self) -> None:
        """Ends the connection once nobody uses it; the next request opens it again."""
        async with self._turns.turn(Priority.POLL):
            self.close()

    def close(self) -> None:
        """Ends the connection."""
        if self._line is not None:
            self._line.close()
            self._line = None

    async def read(self, unit: int, span: Span) -> Sequence[int]:
        """Registers (0..65535) or bits (0 or 1), exactly as many as asked.

        Raises:
            SilentError: No answer in time.
            GarbledError: What came was not the answer.
            RefusedError: The unit answered with an exception code.
            UnavailableError: The line itself is gone.
        """
        async with self._turns.turn(Priority.POLL):
            if unit in self._late:
                await self._agree(unit)
            return await self._read(unit, span)

    async def write(self, unit: int, span: Span, words: Sequence[int], mask: int = 0xFFFF) -> None:
        """Writes and checks the echo; goes before every waiting read.

        Args:
            unit: Unit id.
            span: Where; as many as there are words.
            words: Registers, or one bit.
            mask: For one register: which bits to change; the others are read first and kept.

        Raises:
            SilentError: No answer in time; whether the unit took the value is unknown.
            GarbledError: What came was not the answer; likewise unknown.
            RefusedError: The unit answered with an exception code, and took nothing.
            UnavailableError: The line itself is gone, or too many wait for it.
        """
        async with self._turns.turn(Priority.WRITE):
            if mask != 0xFFFF:
                if unit in self._late:
                    await self._agree(unit)
                (old,) = await self._read(unit, span)
                words = [(old & ~mask & 0xFFFF) | words[0]]
            await self._write(unit, span, words)

    async def _read(self, unit: int, span: Span) -> Sequence[int]:
        function, count = _READ[span.table], span.count
        try:
            answer = await self._exchange(Request(unit, function, span.address, count))
            if span.table in BIT_TABLES:
                if len(answer.words) != ceil(count / 8) * 8:
                    raise self._mismatch(f"unit {unit} sent {len(answer.words)} bits for {count}")
                return answer.words[:count]
            if len(answer.words) != count:
                raise self._mismatch(f"unit {unit} sent {len(answer.words)} registers for {count}")
            return answer.words
        except (UnavailableError, GarbledError, asyncio.CancelledError):
            if self._is_rtu:  # the answer may still come, also after the line was closed and opened again
                self._late[unit] = Late.after(self._late.get(unit), span)
            raise

    async def _agree(self, unit: int) -> None:
        """Asks a unit that was late for a length that it does not owe; an answer of that length is no late one."""
        late = self._late[unit]
        try:
            await self._read(unit, late.probe())
        except RefusedError:
            # A refusal has no length: it may be the late answer. Let whatever is still under way pass.
            self._hush()
        del self._late[unit]

    async def _write(self, unit: int, span: Span, words: Sequence[int]) -> None:
        if span.table is Table.COIL:
            await self._echoed(unit, pdu.WRITE_COIL, span, [int(bool(words[0]))])
        elif len(words) > 1:
            await self._echoed(unit, pdu.WRITE_REGISTERS, span, words)
        else:
            try:
                await self._echoed(unit, pdu.WRITE_REGISTER, span, words)
            except RefusedError as error:
                if error.code != 1:
                    raise
                await self._echoed(
                    unit, pdu.WRITE_REGISTERS, span, words
                )  # some devices know only "write multiple registers"

    async def _echoed(self, unit: int, function: int, span: Span, words: Sequence[int]) -> None:
        answer = await self._exchange(Request(unit, function, span.address, len(words), words))
        wanted = [len(words)] if function == pdu.WRITE_REGISTERS else list(words)
        if answer.address != span.address or list(answer.words) != wanted:
            raise self._mismatch(f"unit {unit} confirmed another write than the one asked for")

    async def _exchange(self, request: Request) -> Answer:
        """One request and the answer that belongs to it."""
        line = self._line or await self._connected()
        if self._clock() < self._free_at_s:
            await self._silence(line)
        unit = request.unit
        try:
            answer = await line.ask(request)
        except LineLostError as error:
            self.close()
            raise UnavailableError(f"connection to {self.where} lost") from error
        except NoAnswerError as error:
            raise self._no_answer(unit, line) from error
        except asyncio.CancelledError:
            self._hush()
            raise
        finally:
            self._ended_s = self._clock()
            self._free_at_s = max(self._free_at_s, self._ended_s + self._gap_s)
        if answer.transaction != line.transaction:
            raise self._mismatch(f"unit {unit} answered transaction {answer.transaction}, which was not asked")
        if answer.unit != unit:
            raise self._mismatch(f"unit {answer.unit} answered for unit {unit}")
        if answer.function != request.function:
            raise self._mismatch(f"unit {unit} answered function {answer.function} to function {request.function}")
        if answer.code:
            if answer.code in NOT_REACHED:
                raise SilentError(f"unit {unit}: {REFUSALS[answer.code]}")
            raise RefusedError(unit, answer.code)
        return answer

    async def _connected(self) -> Line:
        if self._line is not None:
            return self._line
        line = line_for(self._config, self._clock)
        try:
            is_open = await line.connect()
        except (ValueError, termios.error) as error:
            raise UnavailableError(f"cannot set up {self.where} (baud rate, parity): {error}") from error
        if not is_open:
            line.close()
            raise UnavailableError(f"cannot connect to {self.where}")
        self._line = line
        if self._late:
            self._hush()
        return line

    async def _silence(self, line: Line) -> None:
        """Waits until the bus is free, and until stragglers have passed; at most twice the quiet time."""
        start = self._clock()
        while (now := self._clock()) < self._free_at_s and now - start < 2 * self._quiet_s:
            await asyncio.sleep(min(self._free_at_s - now, self._quiet_s))
            if self._is_rtu and line.last_received_s > self._ended_s:
                self._free_at_s = max(self._free_at_s, line.last_received_s + _STRAGGLER_S)

    def _hush(self) -> None:
        if self._is_rtu:
            self._free_at_s = max(self._free_at_s, self._clock() + self._quiet_s)

    def _no_answer(self, unit: int, line: Line) -> Exception:
        """What a missing answer was: silence, or bytes that made no frame."""
        if line.unread or (self._is_rtu and line.received):
            return self._mismatch(f"unit {unit} sent {line.received} bytes that are no answer")
        self._hush()
        return SilentError(f"unit {unit} did not answer within {self._config.timeout_s} s")

    def _mismatch(self, text: str) -> GarbledError:
        """The session can no longer be trusted: drop it, or wait until a serial line is clean."""
        self._hush()
        if self._config.transport != "rtu":
            self.close()
        return GarbledError(text)
