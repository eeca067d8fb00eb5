"""The canary's gateway: a plain Sparkplug node with one device, for one short session over the real broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from frostline_cloud.ingest.config import BrokerConfig
from frostline_cloud.ingest.dial import dial
from frostline_cloud.notify.canary.rule import KIND, METRIC
from frostline_core import mqtt_wire
from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.mqtt_wire import Received, Will
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.sparkplug import DeviceBirth, EdgeSession, Metric, Outgoing, RebirthAsked

DEVICE: Final = "canary"
_PING_S: Final = 10.0
_BYTES: Final = 64 * 1024
_DESCRIPTION = DeviceDescription(DEVICE, KIND, "", (MetricDescription(METRIC, DataType.DOUBLE, "Cel"),))


class CanaryNode:
    """Connects at once; a context manager.

    Args:
        config: The broker, as ingest has it.
        place: Site and node.
        clock: UTC milliseconds.

    Raises:
        UnavailableError: The broker cannot be reached or refuses.
    """

    def __init__(self, config: BrokerConfig, place: tuple[str, str], clock: Callable[[], int]) -> None:
        self._clock = clock
        self._session = EdgeSession(*place, clock() // 1000 % 256, config.host_id, proved=False)
        will = self._session.will()
        own = config.model_copy(update={"client_id": f"{config.client_id or config.host_id}-canary"})
        begun = dial(own, Will(will.topic, will.payload, will.qos, will.retain))
        self._socket, self._parser = begun.socket, begun.parser
        self._socket.setblocking(True)
        self._pinged_s = time.monotonic()
        self._send(mqtt_wire.subscribe(1, self._session.subscriptions()))
        self._take(begun.first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._publish(self._session.death(self._clock()))
            self._send(mqtt_wire.DISCONNECT)
        except UnavailableError:
            pass  # the broker publishes the will instead
        finally:
            self._socket.close()

    @property
    def may_birth(self) -> bool:
        """Whether ingest is online."""
        return self._session.may_birth

    def birth(self) -> None:
        """NBIRTH and DBIRTH."""
        for outgoing in self._session.birth(self._clock(), (), [DeviceBirth(_DESCRIPTION, {})]):
            self._publish(outgoing)

    def measure(self, value: float, at_ms: int) -> None:
        """One sample."""
        self._publish(self._session.data(at_ms, DEVICE, [Metric(METRIC, None, at_ms, None, value)]))

    def listen(self, seconds: float) -> None:
        """Takes what comes for so long; gives birth again where that is asked.

        Raises:
            UnavailableError: The connection is gone.
        """
        if time.monotonic() - self._pinged_s > _PING_S:
            self._send(mqtt_wire.PINGREQ)
            self._pinged_s = time.monotonic()
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(_BYTES)
        except TimeoutError:
            return
        except OSError as error:
            raise UnavailableError(f"the connection to the broker broke: {error}") from error
        if not data:
            raise UnavailableError("the broker closed the connection")
        try:
            self._take(self._parser.feed(data))
        except ProtocolError as error:
            raise UnavailableError(f"what the broker sends is no MQTT: {error}") from error

    def _take(self, arrived: list[Received | mqtt_wire.Packet]) -> None:
        for each in arrived:
            if not isinstance(each, Received):
                continue
            if each.qos:
                self._send(mqtt_wire.puback(each.packet_id))
            commands = self._session.receive(each.topic, each.payload, self._clock())
            if self._session.born and any(isinstance(command, RebirthAsked) for command in commands):
                self.birth()

    def _publish(self, outgoing: Outgoing) -> None:
        self._send(mqtt_wire.publish(outgoing.topic.encode(), outgoing.payload, retain=outgoing.retain))

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(_PING_S)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise UnavailableError(f"the connection to the broker broke: {error}") from error
