"""Points to requests: pure. Neighbours are read together, and a request that a device refuses is taken apart once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frostline_core.errors import ConfigError
from frostline_edge.profiles.model import Point, Table
from frostline_edge.profiles.registers import width

# Modbus Application Protocol V1.1b3, sections 6.1 and 6.3: most bits and registers that one read may ask for.
MOST_BITS = 2000
MOST_REGISTERS = 125
_BIT_TABLES = (Table.COIL, Table.DISCRETE)


@dataclass(frozen=True, slots=True)
class Block:
    """One read request and the points that lie in its answer.

    Attributes:
        table: Which table is read.
        address: First register or bit, from 0.
        count: How many.
        points: In the order of their addresses.
    """

    table: Table
    address: int
    count: int
    points: tuple[Point, ...]


def plan(points: Sequence[Point], max_gap: int, max_registers: int) -> tuple[Block, ...]:
    """The fewest requests that read all points, in the order of table and address.

    Args:
        points: What is to be read.
        max_gap: Registers (or bits) between two points that may be read for nothing.
        max_registers: Most registers in one request; bits are allowed sixteen times as many, up to 2,000.

    Raises:
        ConfigError: A single point is wider than a request may be.
    """
    blocks: list[Block] = []
    for table in Table:
        most = min(max_registers * 16, MOST_BITS) if table in _BIT_TABLES else min(max_registers, MOST_REGISTERS)
        group: list[Point] = []
        end = 0
        for point in sorted((p for p in points if p.table is table), key=lambda p: (p.address, p.bit or 0)):
            if width(point) > most:
                raise ConfigError(f"point {point.name}: {width(point)} registers, but one request may ask for {most}")
            after = max(end, point.address + width(point))
            if group and (point.address - end > max_gap or after - group[0].address > most):
                blocks.append(_block(group))
                group, after = [], point.address + width(point)
            group.append(point)
            end = after
        if group:
            blocks.append(_block(group))
    return tuple(blocks)


def split(block: Block) -> tuple[Block, ...]:
    """What to ask instead of a block that the device refused (exception 02 or 03).

    A block with gaps becomes its runs without gaps; one without gaps becomes one request per address. A block that
    cannot be taken apart comes back alone: it is the device that lacks this point.
    """
    runs = plan(block.points, 0, block.count)
    if len(runs) > 1:
        return runs
    by_address: dict[int, list[Point]] = {}
    for point in block.points:
        by_address.setdefault(point.address, []).append(point)
    return tuple(_block(points) for points in by_address.values())


def _block(points: Sequence[Point]) -> Block:
    first = points[0].address
    end = max(point.address + width(point) for point in points)
    return Block(points[0].table, first, end - first, tuple(points))
