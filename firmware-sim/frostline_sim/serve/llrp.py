"""An LLRP reader whose tags are the items of the world.

The protocol is llrpkit's emulator. Three things that it does otherwise than LLRP 1.0.1 says, and that other clients
stumble over, are put right here: ENABLE_EVENTS_AND_REPORTS has no response, DELETE_ROSPEC with id 0 deletes all, also
where there are none, and a ROSpec whose start trigger is Immediate starts when it is enabled.
"""

from __future__ import annotations

import asyncio

from llrpkit.emulator import LLRPEmulator
from llrpkit.emulator.core import EmulatedTag
from llrpkit.protocol import LLRPMessage, enums, messages

from frostline_core.errors import UnavailableError
from frostline_sim.config import ReaderConfig
from frostline_sim.serve.gate import Gate
from frostline_sim.serve.truth import Truth
from frostline_sim.world.world import World

_LOOK_S = 0.1


class Emulator(LLRPEmulator):
    """llrpkit's emulator as the standard has it; can be used without a world, with tags of one's own.

    Attributes:
        reports: RO_ACCESS_REPORT messages that were sent.
    """

    reports = 0

    async def _handle_message(self, msg: LLRPMessage) -> None:
        if isinstance(msg, messages.ENABLE_EVENTS_AND_REPORTS):
            return
        if isinstance(msg, messages.DELETE_ROSPEC) and msg.ro_spec_id == 0:
            self._stop_reporting()
            self._rospecs.clear()
            done = messages.DELETE_ROSPEC_RESPONSE(llrp_status=self._status_ok())
            await self._send(done, message_id=msg.message_id)
            return
        await super()._handle_message(msg)
        if isinstance(msg, messages.ENABLE_ROSPEC):
            self._start_immediate()

    def _start_immediate(self) -> None:
        immediate = enums.ROSpecStartTriggerType.Immediate
        for key, (spec, state) in list(self._rospecs.items()):
            trigger = spec.ro_boundary_spec.ro_spec_start_trigger.ro_spec_start_trigger_type
            if state == "Enabled" and trigger == immediate:
                self._rospecs[key] = (spec, "Active")
        self._sync_reporting()

    async def _send(self, msg: LLRPMessage, *, message_id: int = 0) -> None:
        if isinstance(msg, messages.RO_ACCESS_REPORT) and self._writer is not None:
            self.reports += 1
            self.reported(msg)
        await super()._send(msg, message_id=message_id)

    def reported(self, report: messages.RO_ACCESS_REPORT) -> None:
        """A report is about to be sent; for subclasses that count."""


class _Counting(Emulator):
    """Tells the truth which tag was read where."""

    name = ""
    truth: Truth

    def reported(self, report: messages.RO_ACCESS_REPORT) -> None:
        """Counts each read by antenna; the last value is the EPC."""
        for data in report.tag_report_datas:
            antenna = data.antenna_id.antenna_id if data.antenna_id else 0
            epc = getattr(data.epc_parameter, "epc", b"")
            self.truth.gave(self.name, f"reads_antenna_{antenna}", epc.hex().upper() if isinstance(epc, bytes) else "")


class Reader:
    """One reader in the world; `run` keeps its tags as the goods move."""

    def __init__(self, config: ReaderConfig, world: World, truth: Truth) -> None:
        self.config = config
        self._world = world
        self._emulator = _Counting(
            tags=[],
            reads_per_sec=config.reads_per_s,
            antenna_count=max(4, *(int(antenna) for antenna in config.antennas)),
            seed=world.seed,
            firmware="frostline-sim",
        )
        self._emulator.name, self._emulator.truth = config.name, truth
        self.gate = Gate(config.listen, config.port, lambda: ("127.0.0.1", self._emulator.port))

    @property
    def port(self) -> int:
        """The TCP port."""
        return self.gate.port

    async def start(self) -> None:
        """Opens the port.

        Raises:
            UnavailableError: It is taken.
        """
        try:
            await self._emulator.start()
            await self.gate.start()
        except OSError as error:
            raise UnavailableError(f"reader {self.config.name}: cannot serve: {error}") from error
        self.look()

    async def stop(self) -> None:
        """Closes everything."""
        await self.gate.stop()
        await self._emulator.stop()

    async def turn(self, *, down: bool) -> None:
        """Cuts the line, or mends it."""
        await self.gate.turn(down=down)

    async def run(self) -> None:
        """Looks at the world ten times a second, for ever."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Takes over which tags each antenna can hear now; a silent reader passes nothing at all."""
        if self._world.silent(self.config.name):
            self.gate.freeze()
        else:
            self.gate.thaw()
        hearing = [(int(antenna), zone) for antenna, zone in self.config.antennas.items() if not self._deaf(antenna)]
        found: dict[bytes, EmulatedTag] = {}
        for antenna, zone in hearing:
            for item in self._world.stock.zone(zone):
                known = found.get(item.epc)
                antennas = (*known.antennas, antenna) if known else (antenna,)
                found[item.epc] = EmulatedTag(item.epc, antennas, item.rssi_dbm)
        self._emulator.tags = list(found.values())

    def _deaf(self, antenna: str) -> bool:
        hits, now_s, name = self._world.timeline.hits, self._world.now_s, self.config.name
        return any(hits("reader_deaf", target, now_s) is not None for target in (name, f"{name}/{antenna}"))
