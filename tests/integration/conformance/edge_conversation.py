"""One long conversation of the gateway's process with a broker and a host, as it was on the wire.

It goes through what an edge node can meet: no host, the wrong host, an old STATE, births, late devices, data, rebirths,
a device that falls silent, a host that pauses, a cut connection, a kill, and a clean stop.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from frostline_core.reading import DataType
from frostline_core.sparkplug import REBIRTH, MessageType, Metric, Payload, PayloadMessage, Topic, decode, encode, parse
from frostline_core.sparkplug import parse_topic as topic_of
from tests.integration.conformance.bystander import Bystander, Heard, now_ms
from tests.integration.gateway.gateway_process import FIELD, Field, GatewayProcess
from tests.integration.gateway.uplink_host import TestHost
from tests.support.services import Mosquitto, eventually_async
from tests.support.wire import Kind, Packet, Publish, WireRelay

BRIEF = """
[[driver]]
type = "mqtt"
name = "brief"
url = "mqtt://127.0.0.1:{port}"
timeout_s = 30
report_s = 3600

[[driver.match]]
topic = "brief/{{device}}"
kind = "door"
max_silence_s = 1

[[driver.match.metric]]
name = "door_open"
path = "door"
type = "boolean"
event = true
"""
STATE = "spBv1.0/STATE/frostline"
TURNS = 300
"""Changes of a door, each a message of its own, so that seq goes round."""
_SETTLE_S = 0.7
"""How long a silence is listened to before it counts as one."""
_HEAR_S = 0.2
"""Between a command on the wire and what is measured next: by then the gateway has heard of it."""
_LONG_S = 90.0


@dataclass(frozen=True, slots=True)
class Message:
    """A PUBLISH of the gateway: where in the record, and what it says."""

    at: int
    packet: Packet
    publish: Publish
    topic: Topic
    message: PayloadMessage

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Decoded; with names where the message has them."""
        return decode(self.publish.payload).metrics


@dataclass(frozen=True, slots=True)
class EdgeTalk:
    """The record.

    Attributes:
        packets: In the order of the relay.
        marks: Number of packets when a phase began, by its name.
        heard: What a third client of the broker heard.
        exit_code: Of the process at its clean stop.
    """

    packets: list[Packet] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    exit_code: list[int] = field(default_factory=list)

    @property
    def connections(self) -> list[int]:
        """Numbers of the connections."""
        return [packet.connection for packet in self.packets if packet.kind is Kind.OPEN]

    def of(self, connection: int, *, sent: bool | None = None) -> list[Packet]:
        """The packets of one connection."""
        return [p for p in self.packets if p.connection == connection and sent in (None, p.sent)]

    def messages(self, *kinds: MessageType, connection: int = 0) -> list[Message]:
        """The gateway's messages of these kinds, or of all."""
        found = []
        for at, packet in enumerate(self.packets):
            if not packet.sent or packet.kind is not Kind.PUBLISH or connection not in (0, packet.connection):
                continue
            publish = packet.publish()
            topic = topic_of(publish.topic)
            if not kinds or topic.type in kinds:
                found.append(Message(at, packet, publish, topic, parse(publish.payload)))
        return found

    def between(self, start: str, end: str) -> list[Message]:
        """The gateway's messages of one phase."""
        return [each for each in self.messages() if self.marks[start] <= each.at < self.marks[end]]


async def converse(folder: Path, broker: Mosquitto) -> EdgeTalk:
    """Has the conversation; some twenty seconds."""
    talk = EdgeTalk()
    drivers = FIELD.format(port=broker.port) + BRIEF.format(port=broker.port)
    with WireRelay(broker.host, broker.port) as relay:
        gateway = GatewayProcess(folder, relay.port, drivers, "[spool]\nflush_s = 0.01")
        with Bystander(broker.port) as bystander, gateway, Field(broker.port) as devices:
            script = _Script(talk, relay, bystander, gateway, devices)
            await script.without_a_host()
            try:
                async with TestHost(broker.port) as host:
                    await script.births_and_data(host)
                    await script.rebirths()
                    await script.silence()
                    await script.the_host_pauses(host)
                    await script.ends()
            except AssertionError as error:
                error.add_note(f"{list(talk.marks)}\n{_summary(relay.packets[-30:])}\n{gateway.said()[-2000:]}")
                raise
            talk.packets.extend(relay.packets)
            talk.heard.extend(bystander.heard)
    return talk


def _summary(packets: list[Packet]) -> str:
    """For a person: what crossed the wire last."""
    return "\n".join(
        f"{p.connection} {'->' if p.sent else '<-'} {p.kind.name} {p.publish().topic if p.kind is Kind.PUBLISH else ''}"
        for p in packets
    )


@dataclass
class _Script:
    talk: EdgeTalk
    relay: WireRelay
    bystander: Bystander
    gateway: GatewayProcess
    devices: Field

    def mark(self, name: str) -> None:
        self.talk.marks[name] = len(self.relay.packets)

    async def told(self, count: int) -> None:
        """Until so many STATE messages have reached the gateway on the present connection."""

        def came() -> int:
            now = self.relay.connection()
            return sum(
                not p.sent and p.kind is Kind.PUBLISH and p.publish().topic == STATE
                for p in self.relay.packets
                if p.connection == now
            )

        await eventually_async(lambda: came() >= count)

    async def subscribed(self, connection: int) -> None:
        def is_so() -> bool:
            return any(p.connection == connection and p.kind is Kind.SUBACK for p in self.relay.packets)

        await eventually_async(is_so, _LONG_S)

    async def sent(self, kind: str, count: int, connection: int) -> None:
        await eventually_async(lambda: self.relay.published(kind, connection) >= count, _LONG_S)

    def online(self) -> set[str]:
        return {each["id"] for each in self.gateway.status()["devices"] if each["online"]}

    async def drained(self) -> None:
        await eventually_async(lambda: self.gateway.status()["account"]["pending"] == 0, _LONG_S)

    async def without_a_host(self) -> None:
        await self.subscribed(1)
        await eventually_async(lambda: self.online() == {"field", "brief"}, _LONG_S)
        self.devices.says("room-1", temperature=-18.0)
        self.mark("another host")
        self.bystander.says_state("another-host", True, now_ms())
        said_ms = now_ms()
        self.bystander.says_state("frostline", False, said_ms)
        self.mark("an old birth")
        self.bystander.says_state("frostline", True, said_ms - 60_000)
        await self.told(2)
        await asyncio.sleep(_SETTLE_S)

    async def births_and_data(self, host: TestHost) -> None:
        self.mark("online")
        await self.sent("NBIRTH", 1, 1)
        for _ in range(5):
            self.devices.says("room-1", temperature=-18.5)
        self.devices.says("room-1", temperature=-19.0)
        self.devices.says("room-2", temperature=4.0)
        await eventually_async(lambda: 4.0 in host.values("air_temperature"), _LONG_S)
        await eventually_async(lambda: -19.0 in host.values("air_temperature"), _LONG_S)
        for turn in range(TURNS):
            self.devices.says("room-1", door=bool(turn % 2))
            await asyncio.sleep(0.01)
        await self.drained()

    async def rebirths(self) -> None:
        """As the specification's test kit asks for them: QoS 1, no timestamp; the second at once after the first."""
        self.mark("rebirths")
        ask = encode(Payload(None, None, (Metric(REBIRTH, None, None, DataType.BOOLEAN, True),)))
        for number in (2, 3):
            await self.drained()  # what is under way when a command comes cannot be called back
            asked = self._commanded()
            self.bystander.says(f"spBv1.0/site/{MessageType.NCMD}/gw", ask)
            await eventually_async(partial(self._commanded_since, asked))
            await asyncio.sleep(_HEAR_S)
            self.devices.says("room-1", temperature=-20.0 - number)
            await self.sent("NBIRTH", number, 1)

    async def silence(self) -> None:
        self.bystander.says("brief/gate-1", b'{"door": true}')
        await self.sent("DDEATH", 1, 1)
        await self.drained()  # nothing that waits for an answer is sent again in the silence that follows
        self.mark("an old death")
        self.bystander.says_state("frostline", False, now_ms() - 3_600_000)
        await asyncio.sleep(_SETTLE_S)

    async def the_host_pauses(self, host: TestHost) -> None:
        self.mark("pause")
        host.pause()
        await self.sent("NDEATH", 1, 1)
        await self.subscribed(2)
        self.devices.says("room-1", temperature=-30.0)
        await asyncio.sleep(_SETTLE_S)
        self.mark("online again")
        host.online()
        await eventually_async(lambda: -30.0 in host.values("air_temperature"), _LONG_S)

    async def ends(self) -> None:
        self.mark("cut")
        deaths = self._deaths()
        self.relay.cut()
        await eventually_async(lambda: self._deaths() > deaths)
        await self.sent("NBIRTH", 1, 3)
        self.mark("kill")
        self.gateway.end(signal.SIGKILL)
        await eventually_async(lambda: self._deaths() > deaths + 1)
        self.gateway.start()
        await self.sent("NDATA", 1, 4)  # that it was killed
        self.mark("stop")
        self.talk.exit_code.append(self.gateway.end(signal.SIGTERM))
        await eventually_async(lambda: self._deaths() > deaths + 2)

    def _commanded(self) -> int:
        """How many commands have come to the gateway's end of the wire."""
        came = (p for p in self.relay.packets if not p.sent and p.kind is Kind.PUBLISH)
        return sum("/NCMD/" in p.publish().topic for p in came)

    def _commanded_since(self, before: int) -> bool:
        return self._commanded() > before

    def _deaths(self) -> int:
        return sum("/NDEATH/" in each.topic for each in self.bystander.heard)
