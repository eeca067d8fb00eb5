"""Modbus servers: units of the same profiles that the edge reads with, over TCP, RTU or RTU over TCP."""

from __future__ import annotations

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from frostline_core.errors import UnavailableError
from frostline_edge.profiles import Table, load
from frostline_sim.config import BusConfig, UnitConfig
from frostline_sim.serve.gate import Gate
from frostline_sim.serve.image import BITS, Image, RefusedError
from frostline_sim.serve.null_modem import NullModem
from frostline_sim.serve.truth import Truth
from frostline_sim.world.world import World

_TABLES = {
    1: Table.COIL,
    2: Table.DISCRETE,
    3: Table.HOLDING,
    4: Table.INPUT,
    5: Table.COIL,
    6: Table.HOLDING,
    15: Table.COIL,
    16: Table.HOLDING,
    22: Table.HOLDING,
    23: Table.HOLDING,
}
"""Function code -> table (Modbus Application Protocol V1.1b3, section 6)."""
_UNUSED = 65_535
"""pymodbus wants something in each table; an empty one gets its last address."""


class Unit:
    """One unit: pymodbus asks it before each access, and it makes the registers then."""

    def __init__(self, config: UnitConfig, world: World, truth: Truth) -> None:
        """Loads the profile and binds it to the device.

        Raises:
            ConfigError: No such profile, or it does not fit the device.
        """
        self._image = Image(config.device, load(config.profile), world, truth)
        self._world = world
        self._id = config.unit

    def device(self) -> SimDevice:
        """The unit for pymodbus, with four separate tables."""
        coils, discrete, holding, inputs = (
            self._data(table) for table in (Table.COIL, Table.DISCRETE, Table.HOLDING, Table.INPUT)
        )
        return SimDevice(self._id, simdata=(coils, discrete, holding, inputs), action=self._access)

    def _data(self, table: Table) -> list[SimData]:
        kind, zero = (DataType.BITS, False) if table in BITS else (DataType.REGISTERS, 0)
        blocks = self._image.blocks(table) or [(_UNUSED, 1)]
        return [SimData(first, values=[zero] * count, datatype=kind) for first, count in blocks]

    async def _access(  # noqa: PLR0913 - pymodbus's signature
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called before each access. Must not await: pymodbus would answer with another request's data.

        In the bit tables pymodbus counts in words of 16: `start` is a word, `count` is words, `address` a bit.
        """
        if self._world.silent(self._image.device):
            raise NoSuchIdException(f"{self._image.device} is silent")
        table = _TABLES[function]
        try:
            if values is not None:
                self._image.write(table, address, [int(value) for value in values])
            elif table in BITS:
                self._show_bits(table, start, address, count, registers)
            else:
                for at, word in self._image.read(table, address, count).items():
                    if start <= at < start + len(registers):
                        registers[at - start] = word
        except RefusedError as refused:
            return ExcCodes.ILLEGAL_VALUE if refused.illegal_value else ExcCodes.ILLEGAL_ADDRESS
        except ValueError:
            return ExcCodes.DEVICE_FAILURE
        return None

    def _show_bits(self, table: Table, start: int, address: int, words: int, registers: list[int]) -> None:
        first = address // 16 * 16
        for at, bit in self._image.read(table, first, words * 16).items():
            word, shift = at // 16 - start, at % 16
            registers[word] = registers[word] & ~(1 << shift) | bit << shift


class Bus:
    """One server with its units; `turn` cuts the line and mends it."""

    def __init__(self, config: BusConfig, world: World, truth: Truth) -> None:
        """Prepares the units; nothing is opened.

        Raises:
            ConfigError: A profile is absent or does not fit.
        """
        self.config = config
        self._units = [Unit(unit, world, truth) for unit in config.unit]
        self._server: ModbusTcpServer | ModbusSerialServer | None = None
        self._inner = 0
        self.gate: Gate | None = None
        self._modem: NullModem | None = None

    @property
    def port(self) -> int:
        """The TCP port; 0 for RTU."""
        return self.gate.port if self.gate else 0

    async def start(self) -> None:
        """Opens the server.

        Raises:
            UnavailableError: The port is taken, or the pty's path cannot be made.
        """
        try:
            await (self._start_serial() if self.config.transport == "rtu" else self._start_tcp())
        except (OSError, RuntimeError) as error:
            raise UnavailableError(f"modbus bus {self.config.name}: cannot serve: {error}") from error

    async def stop(self) -> None:
        """Closes the server."""
        if self.gate is not None:
            await self.gate.stop()
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call] # pymodbus has no annotation there
        if self._modem is not None:
            self._modem.stop()

    async def turn(self, *, down: bool) -> None:
        """Cuts the line, or mends it."""
        if self.gate is not None:
            await self.gate.turn(down=down)
        if self._modem is not None:
            self._modem.cut = down

    def _devices(self) -> list[SimDevice]:
        return [*(unit.device() for unit in self._units), _absent()]

    async def _start_tcp(self) -> None:
        framer = FramerType.SOCKET if self.config.transport == "tcp" else FramerType.RTU
        server = ModbusTcpServer(self._devices(), framer=framer, address=("127.0.0.1", 0), ignore_missing_devices=True)
        self._server = server
        await server.serve_forever(background=True)
        self._inner = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined] # an asyncio.Server
        self.gate = Gate(self.config.listen, self.config.port, lambda: ("127.0.0.1", self._inner))
        await self.gate.start()

    async def _start_serial(self) -> None:
        self._modem = NullModem(self.config.path)
        inner = self._modem.start()
        self._server = ModbusSerialServer(
            self._devices(), framer=FramerType.RTU, port=inner, baudrate=19_200, ignore_missing_devices=True
        )
        await self._server.serve_forever(background=True)


def _absent() -> SimDevice:
    """What answers for units that are not there: nobody, as on a real line (pymodbus asks id 0 for unknown units)."""

    async def access(*_: object) -> ExcCodes | None:
        raise NoSuchIdException("no such unit")

    bits = [SimData(0, values=[False] * 65_536, datatype=DataType.BITS)]
    words = [SimData(0, count=65_535, values=0, datatype=DataType.REGISTERS)]
    return SimDevice(0, simdata=(bits, bits, words, words), action=access)
