"""Named scan behaviours: what `fast`, `normal` and `deep` mean on a reader that can do certain things. Pure.

Every behaviour uses Gen2 session 0 or 1. A tag that has answered in session 2 or 3 may keep silent for as long as it
has power; a pallet that stands still before an antenna would then look as if it had left.
"""

from __future__ import annotations

from enum import StrEnum

from frostline_core.errors import ConfigError
from frostline_edge.drivers.llrp.messages import Capabilities, RfMode, Scan


class Behaviour(StrEnum):
    """What the reader is there for."""

    FAST = "fast"
    NORMAL = "normal"
    DEEP = "deep"


_SESSION = {Behaviour.FAST: 0, Behaviour.NORMAL: 1, Behaviour.DEEP: 1}
_POPULATION = {Behaviour.FAST: 16, Behaviour.NORMAL: 64, Behaviour.DEEP: 1024}


def scan(behaviour: Behaviour, antennas: tuple[int, ...], power_dbm: float | None, capabilities: Capabilities) -> Scan:
    """The scan for a behaviour on a reader.

    Args:
        behaviour: What for.
        antennas: Ports of the configured zones.
        power_dbm: Wanted transmit power; the reader's nearest step that is not above it is taken. None: its own choice.
        capabilities: What the reader said of itself.

    Raises:
        ConfigError: The reader has no such antenna, or no power so low.
    """
    beyond = [port for port in antennas if capabilities.antennas and port > capabilities.antennas]
    if beyond:
        raise ConfigError(f"the reader has antennas 1 to {capabilities.antennas}; zones name {beyond}")
    return Scan(
        antennas=antennas,
        session=_SESSION[behaviour],
        population=_POPULATION[behaviour],
        mode=_mode(behaviour, capabilities.modes),
        power_index=None if power_dbm is None else _power(power_dbm, capabilities),
        hop_table=capabilities.hop_table,
    )


def _mode(behaviour: Behaviour, modes: tuple[RfMode, ...]) -> int | None:
    """Fast: the highest data rate. Deep: the sturdiest coding. Normal: what the maker set."""
    usable = [mode for mode in modes if mode.id <= 0xFFFF]
    if behaviour is Behaviour.NORMAL or not usable:
        return None
    if behaviour is Behaviour.FAST:
        return max(usable, key=lambda mode: (mode.bits_per_s, -mode.miller)).id
    return max(usable, key=lambda mode: (mode.miller, -mode.bits_per_s)).id


def _power(wanted_dbm: float, capabilities: Capabilities) -> int:
    fitting = [(dbm, index) for index, dbm in capabilities.powers_dbm if dbm <= wanted_dbm]
    if not fitting:
        lowest = min((dbm for _, dbm in capabilities.powers_dbm), default=None)
        raise ConfigError(f"power_dbm = {wanted_dbm} is below what the reader can do (lowest: {lowest} dBm)")
    return max(fitting)[1]
