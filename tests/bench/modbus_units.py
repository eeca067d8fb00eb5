"""`python -m tests.bench.modbus_units COUNT PORT`: that many units of 20 holding registers each, of which 5 change."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from pymodbus import pymodbus_apply_logging_config
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS, CHANGING = 20, 5


def unit(number: int) -> SimDevice:
    """One unit; the first registers change with each poll, each in its own way: equal ones would be packed too well."""
    polls = 0

    async def count(
        _function: int, _start: int, _address: int, _count: int, registers: list[int], _values: Sequence[int] | None
    ) -> ExcCodes | None:
        nonlocal polls
        polls += 1
        for index in range(min(CHANGING, len(registers))):
            registers[index] = (polls * (7 + 1013 * index) + number * 977) % 50_000
        return None

    return SimDevice(
        id=number, simdata=[SimData(0, count=REGISTERS, values=7, datatype=DataType.REGISTERS)], action=count
    )


async def main(count: int, port: int) -> None:
    """Serves until it is killed; says nothing of who comes and goes."""
    pymodbus_apply_logging_config("CRITICAL")
    server = ModbusTcpServer([unit(number) for number in range(1, count + 1)], address=("127.0.0.1", port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
