"""One long conversation of the ingest's process with a broker and edge nodes, as it was on the wire.

A start over an old retained STATE, births, data, data of a node that nobody knows, a missing message, somebody who says
that we are offline, a cut connection, and a clean stop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from frostline_core.sparkplug import Metric, Outgoing, StatePayload
from tests.integration.conformance.bystander import Bystander, Heard, now_ms
from tests.support.edge_node import EdgeNode, mark, room
from tests.support.services import Mosquitto, eventually, free_port
from tests.support.stack import Program
from tests.support.wire import Kind, Packet, Publish, WireRelay

STATE = "spBv1.0/STATE/frostline"
RUN = 0xABCD << 48 | 7
REORDER_MS = 4_000
_LONG_S = 90.0


@dataclass(frozen=True, slots=True)
class Said:
    """A PUBLISH of the cloud: where in the record, and what it says."""

    at: int
    packet: Packet
    publish: Publish


@dataclass(frozen=True, slots=True)
class HostTalk:
    """The record.

    Attributes:
        packets: In the order of the relay.
        marks: Number of packets when a phase began, by its name.
        heard: What a third client of the broker heard.
        exit_code: Of the process at its clean stop.
        started_ms: When the process was started.
    """

    packets: list[Packet] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    exit_code: list[int] = field(default_factory=list)
    started_ms: list[int] = field(default_factory=list)

    def of(self, connection: int, *, sent: bool | None = None) -> list[Packet]:
        """The packets of one connection."""
        return [p for p in self.packets if p.connection == connection and sent in (None, p.sent)]

    def said(self, word: str = "", connection: int = 0) -> list[Said]:
        """What the cloud published, with this word in the topic."""
        found = []
        for at, packet in enumerate(self.packets):
            if packet.sent and packet.kind is Kind.PUBLISH and connection in (0, packet.connection):
                publish = packet.publish()
                if not word or word in publish.topic.split("/"):
                    found.append(Said(at, packet, publish))
        return found

    def states(self, connection: int) -> list[StatePayload]:
        """STATE as the cloud said it in one session."""
        return [StatePayload.decode(each.publish.payload) for each in self.said("STATE", connection)]


def converse(folder: Path, broker: Mosquitto) -> HostTalk:
    """Has the conversation; some ten seconds."""
    talk = HostTalk()
    with WireRelay(broker.host, broker.port) as relay, Bystander(broker.port) as bystander:
        cloud = Program("cloud", ["cloud", "ingest", "-c", str(_config(folder, relay.port))], folder)
        bystander.says_state("frostline", False, now_ms() - 60_000, retain=True)
        talk.started_ms.append(now_ms())
        cloud.start()
        try:
            _talk(talk, relay, bystander, broker)
            talk.marks["stop"] = len(relay.packets)
        finally:
            talk.exit_code.append(cloud.stop())
        eventually(lambda: relay.packets[-1].kind is Kind.CLOSE)
        talk.packets.extend(relay.packets)
        talk.heard.extend(bystander.heard)
    return talk


def _talk(talk: HostTalk, relay: WireRelay, bystander: Bystander, broker: Mosquitto) -> None:
    eventually(lambda: relay.published("STATE", 1) >= 1, _LONG_S)
    with EdgeNode(broker.host, broker.port, "gw-1") as edge, EdgeNode(broker.host, broker.port, "gw-2") as lost:
        edge.wait_for_host()
        edge.birth([room()])
        edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
        eventually(lambda: edge.committed(RUN) == 1, _LONG_S)
        bystander.says("spBv1.0/site-a/NDATA/gw-2", b"\x18\x01", qos=0)
        eventually(lambda: lost.rebirths >= 1, _LONG_S)
        _misses_one(broker)
        talk.marks["denied"] = len(relay.packets)
        said = relay.published("STATE", 1)
        bystander.says_state("frostline", False, now_ms(), retain=True)
        eventually(lambda: relay.published("STATE", 1) > said)
        talk.marks["cut"] = len(relay.packets)
        relay.cut()
        eventually(lambda: relay.published("STATE", 2) >= 1, _LONG_S)
        edge.data("freezer-1", {"air_temperature": -21.0}, now_ms(), mark(RUN, 2))
        eventually(lambda: edge.committed(RUN) == 2, _LONG_S)


def _misses_one(broker: Mosquitto) -> None:
    """A node of another make, of whose messages one never comes; and one whose messages only come in another order."""
    with (
        EdgeNode(broker.host, broker.port, "gw-3", proved=False) as node,
        EdgeNode(broker.host, broker.port, "gw-4", proved=False) as late,
    ):
        for each in (node, late):
            each.wait_for_host()
            each.birth([room()])
        first, second = _data(late, 1.0), _data(late, 2.0)
        late.publish(second)
        late.publish(first)
        _data(node, 1.0)
        node.publish(_data(node, 2.0))
        eventually(lambda: node.rebirths >= 1, _LONG_S)


def _data(node: EdgeNode, value: float) -> Outgoing:
    return node.session.data(now_ms(), "freezer-1", [Metric("air_temperature", None, now_ms(), None, value)])


def _config(folder: Path, port: int) -> Path:
    (folder / "rules").mkdir()
    config = folder / "cloud.toml"
    config.write_text(
        f'[broker]\nurl = "mqtt://127.0.0.1:{port}"\nclient_id = "frostline-cloud"\n'
        f"[ingest]\nreorder_timeout_ms = {REORDER_MS}\n"
        '[store]\npath = "history.duckdb"\n[sql]\nurl = "sqlite:///frostline.db"\n'
        f'[http]\nlisten = "127.0.0.1:{free_port()}"\n',
        encoding="utf-8",
    )
    return config
