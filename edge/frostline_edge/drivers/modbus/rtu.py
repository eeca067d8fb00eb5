"""RTU frames, on a serial port or through TCP: pymodbus's client without retries or reconnects, each request ending."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from frostline_edge.drivers.modbus import pdu
from frostline_edge.drivers.modbus.config import Config
from frostline_edge.drivers.modbus.pdu import Answer, LineLostError, NoAnswerError, Request

Client = AsyncModbusTcpClient | AsyncModbusSerialClient

_NEVER = 2**31


class RtuLine:
    """One connection, used once: connect, ask, close.

    Attributes:
        received: Bytes that came since the last request, as far as they are in the current frame.
        last_received_s: When bytes came last, by the clock that was given.
    """

    def __init__(self, config: Config, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asks = False
        self.received = 0
        self.last_received_s = 0.0
        self._client = self._serial(config) if config.transport == "rtu" else self._tcp(config)
        self._client.set_max_no_responses(_NEVER)
        self._guard()

    @property
    def transaction(self) -> int:
        """RTU has no transaction ids."""
        return 0

    @property
    def unread(self) -> int:
        """Bytes that came and made no frame."""
        return len(self._client.ctx.recv_buffer)

    async def connect(self) -> bool:
        """Whether the connection was made, within the configured time-out."""
        try:
            return await self._client.connect()
        finally:
            _heed_cancellation()

    def close(self) -> None:
        """Ends the connection; a request under way ends by its time-out."""
        self._client.close()

    async def ask(self, request: Request) -> Answer:
        """Sends one request and waits for an answer, no longer than the configured time-out.

        Raises:
            LineLostError: The connection is gone.
            NoAnswerError: No answer, or bytes that cannot be decoded.
        """
        self._asks, self.received = True, 0
        try:
            return _answer(await _asked(self._client, request))
        except ConnectionException as error:
            raise LineLostError from error
        except ModbusIOException as error:
            raise NoAnswerError from error
        finally:
            self._asks = False
            _heed_cancellation()

    def _serial(self, config: Config) -> Client:
        return AsyncModbusSerialClient(
            config.device,
            framer=FramerType.RTU,
            baudrate=config.baud,
            parity=config.parity,
            stopbits=config.stop_bits,
            timeout=config.timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._packet,
        )

    def _tcp(self, config: Config) -> Client:
        return AsyncModbusTcpClient(
            config.host,
            port=config.port,
            framer=FramerType.RTU,
            timeout=config.timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._packet,
        )

    def _packet(self, sending: bool, data: bytes) -> bytes:
        if not sending:
            self.received = len(data)
            self.last_received_s = self._clock()
        return data

    def _guard(self) -> None:
        """Makes undecodable bytes and a lost connection end the request at once, instead of by its time-out."""
        ctx = self._client.ctx
        decode = ctx.callback_data

        def fail(error: ModbusException) -> None:
            if self._asks and not ctx.response_future.done():
                ctx.response_future.set_exception(error)

        def received(data: bytes, addr: tuple[str, int] | None = None) -> int:
            try:
                return decode(data, addr)
            except (ModbusException, ValueError, IndexError, struct.error):
                fail(ModbusIOException("undecodable bytes"))
                return 0  # they stay in the buffer, where `unread` finds them

        def disconnected(exc: Exception | None) -> None:
            fail(ConnectionException("disconnected"))

        # The library has no other place for either.
        ctx.callback_data = received  # type: ignore[method-assign]
        ctx.callback_disconnected = disconnected  # type: ignore[method-assign]


def _asked(client: Client, request: Request) -> Awaitable[ModbusPDU]:
    """The request as the library wants it."""
    unit, at = request.unit, request.address
    if request.function == pdu.WRITE_COIL:
        return client.write_coil(at, bool(request.words[0]), device_id=unit)
    if request.function == pdu.WRITE_REGISTER:
        return client.write_register(at, request.words[0], device_id=unit)
    if request.function == pdu.WRITE_REGISTERS:
        return client.write_registers(at, list(request.words), device_id=unit)
    read = {
        pdu.READ_COILS: client.read_coils,
        pdu.READ_DISCRETE: client.read_discrete_inputs,
        pdu.READ_HOLDING: client.read_holding_registers,
        pdu.READ_INPUT: client.read_input_registers,
    }[request.function]
    return read(at, count=request.count, device_id=unit)


def _answer(found: ModbusPDU) -> Answer:
    """The library's answer as a value."""
    function = found.function_code & 0x7F
    if found.isError():
        return Answer(found.dev_id, function, code=found.exception_code)
    if function in (pdu.READ_COILS, pdu.READ_DISCRETE):
        return Answer(found.dev_id, function, [int(bit) for bit in found.bits])
    if function == pdu.WRITE_COIL:
        return Answer(found.dev_id, function, [int(bit) for bit in found.bits[:1]], found.address)
    if function == pdu.WRITE_REGISTERS:
        return Answer(found.dev_id, function, [found.count], found.address)
    return Answer(found.dev_id, function, found.registers, found.address)


def _heed_cancellation() -> None:
    """Raises what `asyncio.wait_for` of Python 3.11, which the library uses, swallows.

    There a task that is cancelled in the very moment in which its answer comes gets the answer and never learns that it
    was cancelled (python/cpython issue 86296); a poll loop would then go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
