"""What the Modbus tests poll: pymodbus servers, and a slave of our own that is late, wrong or garbled on purpose."""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer.rtu import FramerRTU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from frostline_edge.drivers.modbus.config import Config
from frostline_edge.drivers.modbus.driver import Driver
from tests.support.steady_loop import running_s


def device(
    unit: int,
    holding: Mapping[int, Sequence[int]] | None = None,
    inputs: Mapping[int, Sequence[int]] | None = None,
    coils: Sequence[bool] = (False,) * 16,
    discrete: Sequence[bool] = (False,) * 16,
) -> SimDevice:
    """A simulated device with four tables; registers by first address."""

    def registers(blocks: Mapping[int, Sequence[int]] | None) -> list[SimData]:
        return [
            SimData(at, values=list(words), datatype=DataType.REGISTERS)
            for at, words in (blocks or {60000: [0]}).items()
        ]

    def bits(values: Sequence[bool]) -> list[SimData]:
        return [SimData(0, values=list(values), datatype=DataType.BITS)]

    return SimDevice(unit, simdata=(bits(coils), bits(discrete), registers(holding), registers(inputs)))


async def _says_nothing(*_: object) -> ExcCodes | None:
    raise NoSuchIdException("not on this bus")


def _absent() -> SimDevice:
    """Stands for every unit that is not there: without it pymodbus would answer for them."""
    bits = [SimData(0, values=[False] * 1600, datatype=DataType.BITS)]
    words = [SimData(0, count=1000, values=0, datatype=DataType.REGISTERS)]
    return SimDevice(0, simdata=(bits, bits, words, words), action=_says_nothing)


@asynccontextmanager
async def tcp_server(devices: list[SimDevice], framer: FramerType = FramerType.SOCKET) -> AsyncIterator[int]:
    """A pymodbus server on a free port; units that are not there do not answer."""
    server = ModbusTcpServer(
        [*devices, _absent()], framer=framer, address=("127.0.0.1", 0), ignore_missing_devices=True
    )
    await server.serve_forever(background=True)
    listener = server.transport
    assert isinstance(listener, asyncio.Server)
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call] # pymodbus has no annotation there


@asynccontextmanager
async def serial_pair() -> AsyncIterator[tuple[str, str]]:
    """Two ends of a serial cable: each is a terminal of its own, and this process carries the bytes across."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        ends = [os.openpty() for _ in range(2)]
        for plug, device in ends:
            stack.callback(os.close, plug)
            stack.callback(os.close, device)
            tty.setraw(device)
            os.set_blocking(plug, False)
        (ours, our_device), (theirs, their_device) = ends
        for plug, other in ((ours, theirs), (theirs, ours)):
            loop.add_reader(plug, _carry, plug, other)
            stack.callback(loop.remove_reader, plug)
        yield os.ttyname(our_device), os.ttyname(their_device)


def _carry(plug: int, other: int) -> None:
    os.write(other, os.read(plug, 4096))


@asynccontextmanager
async def rtu_server(devices: list[SimDevice], port: str) -> AsyncIterator[None]:
    """A pymodbus server on a serial port."""
    server = ModbusSerialServer([*devices, _absent()], port=port, baudrate=115200, ignore_missing_devices=True)
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call] # pymodbus has no annotation there


def truth(unit: int, address: int) -> int:
    """What register `address` of a slave holds: different everywhere, so that a neighbour's value is noticed."""
    return (unit * 10_007 + address * 31) % 65_536


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    unit: int
    function: int
    address: int
    count: int
    raw: bytes


Answer = Callable[[Asked], bytes | None]


def answer(asked: Asked) -> bytes:
    """The right answer, without its frame: unit, function, data."""
    if asked.function == 6:
        return asked.raw
    words = [truth(asked.unit, asked.address + i) for i in range(asked.count)]
    return struct.pack(f">BBB{asked.count}H", asked.unit, asked.function, asked.count * 2, *words)


class Slave:
    """A device that takes requests in turn, as a serial device does: a late answer delays those behind it.

    Attributes:
        reply: Makes the answer; None says nothing.
        delay_s: How long each answer takes.
        asked: Every request.
        rtu: RTU frames instead of Modbus TCP.
    """

    def __init__(self, *, rtu: bool, reply: Answer = answer, delay_s: Callable[[], float] = lambda: 0.0) -> None:
        self.rtu = rtu
        self.reply = reply
        self.delay_s = delay_s
        self.asked: list[Asked] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def has_been_asked(self, times: int) -> bool:
        """Whether so many requests have come."""
        return len(self.asked) >= times

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Slave]:
        """Serves on a free TCP port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                tid, asked = await self._request(reader)
                self.asked.append(asked)
                await asyncio.sleep(self.delay_s())
                body = self.reply(asked)
                if body is not None:
                    writer.write(self.frame(tid, body))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _request(self, reader: asyncio.StreamReader) -> tuple[int, Asked]:
        raw = await reader.readexactly(8 if self.rtu else 12)
        tid = 0 if self.rtu else struct.unpack(">H", raw[:2])[0]
        body = raw[:6] if self.rtu else raw[6:]
        unit, function, address, count = struct.unpack(">BBHH", body)
        return tid, Asked(unit, function, address, count, body)

    def frame(self, tid: int, body: bytes) -> bytes:
        """The answer as it goes over the wire."""
        if self.rtu:
            return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
        return struct.pack(">HHH", tid, 0, len(body)) + body


def profile(folder: Path, points: Iterable[str], **keys: int) -> str:
    """A profile file of one's own; a point is the lines of its table."""
    path = folder / "device.toml"
    head = "".join(f"{key} = {value}\n" for key, value in keys.items())
    tables = "".join(f"[[points]]\n{point}\n" for point in points)
    path.write_text(f'id = "device"\nkind = "cold_room"\ntitle = "Test"\nsource = "test"\n{head}{tables}')
    return str(path)


def numbers(*addresses: int) -> list[str]:
    """Points r0, r7, ... of type uint16 in the holding registers."""
    return [f'name = "r{at}"\ntable = "holding"\naddress = {at}\ntype = "uint16"' for at in addresses]


def bus(units: Sequence[tuple[str, int]], profile_path: str, **keys: object) -> Driver:
    """A driver for units (name, unit id) that all have one profile; read each 0.1 s unless keys say otherwise.

    Its waits follow the loop's clock, as those of the servers do.
    """
    period_s = keys.pop("period_s", 0.1)
    table: dict[str, object] = {"type": "modbus", "name": "bus", "timeout_s": 10.0} | keys
    if table.get("transport") == "rtu":
        table.setdefault("parity", "N")  # a pty has no parity bit
    else:
        table.setdefault("host", "127.0.0.1")
    table["unit"] = [
        {"name": name, "unit": number, "profile": profile_path, "period_s": period_s} for name, number in units
    ]
    return Driver(Config.model_validate(table), steady_s=running_s)
