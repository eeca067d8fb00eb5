"""The broker connection: a socket read by the ingest thread itself, in bulk; connecting is done beside it.

A general MQTT client costs more per message than everything that ingest does with it, so that packets are read here:
`mqtt_wire` cuts them, `dial` begins sessions (with a fresh will each time: Sparkplug wants the STATE will's timestamp
to be the time of CONNECT). Past the queue's bound a message is dropped and counted: that is the same as a message lost
on the way, and the commit protocol heals it. Only one thread may use it, `wake` apart.
"""

from __future__ import annotations

import logging
import random
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from frostline_cloud.ingest.config import BrokerConfig
from frostline_cloud.ingest.dial import Session, dial
from frostline_core import mqtt_wire
from frostline_core.errors import FrostlineError, ProtocolError
from frostline_core.mqtt_wire import Kind, Message, Packet, Received, Will

log = logging.getLogger("frostline.ingest.broker")

_FIRST_WAIT_S, _MOST_WAIT_S, _HEALTHY_S = 0.5, 30.0, 60.0
_READ_BYTES = 256 * 1024
_MOST_READS = 16
_MOST_UNSENT = 8 * 1024 * 1024
_NAP_S = 0.002
"""Reads begin at most so often: a broker that sends each message by itself would cost a system call for each."""
_SUBSCRIBE_S = 15.0
"""A broker that has not answered SUBSCRIBE for so long is left: whoever hears nothing must not be online."""
_DEAD_AFTER = 1.5
"""Keep-alives without a sign of life after which the connection is given up (MQTT 3.1.1 section 3.1.2.10)."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A session has started; nothing is subscribed yet."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker has taken the subscription: from now on everything is heard."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The session is gone."""

    reason: str


Incoming = Message | Connected | Subscribed | Disconnected
"""A message that came, or news of the connection."""


@dataclass(slots=True)
class _Link:
    """A session as it runs; times are of the monotonic clock."""

    session: Session
    began_s: float
    heard_s: float
    pinged_s: float
    unsent: bytearray = field(default_factory=bytearray)
    packet_id: int = 0
    unacknowledged: set[int] = field(default_factory=set)
    asked_s: float | None = None  # since when SUBSCRIBE waits for its answer

    def next_id(self) -> int:
        self.packet_id = self.packet_id % 0xFFFF + 1
        return self.packet_id


class Broker:
    """One MQTT 3.1.1 connection with a clean session.

    Args:
        config: Where to connect.
        will: Asked before each CONNECT, in another thread: topic and payload of the will (QoS 1, retained).
        most_messages: Bound of the queue.
        most_bytes: Bound of the queue's payloads.
    """

    def __init__(
        self, config: BrokerConfig, will: Callable[[], tuple[str, bytes]], most_messages: int, most_bytes: int
    ) -> None:
        self._config, self._will = config, will
        self._most_messages, self._most_bytes = most_messages, most_bytes
        self._queue: deque[list[Incoming]] = deque()  # as they were read
        self._waiting = self._bytes = 0
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._link: _Link | None = None
        self._wait_s = _FIRST_WAIT_S
        self._read_s = 0.0
        self._dialled: deque[Session | str] = deque()
        self._stopping = threading.Event()
        self._waker, self._woken = socket.socketpair()
        for end in (self._waker, self._woken):
            end.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self.dropped = 0

    def start(self) -> None:
        """Starts to connect."""
        self._redial(0.0)

    def stop(self) -> None:
        """Sends DISCONNECT after what was published, and closes the connection."""
        self._stopping.set()
        link = self._link
        if link is not None:
            link.unsent += mqtt_wire.DISCONNECT
            self._settle(lambda: not link.unsent, 2.0)
            self._close()
        while self._dialled:
            if isinstance(session := self._dialled.popleft(), Session):
                session.socket.close()
        self._waker.close()
        self._woken.close()

    def wake(self) -> None:
        """Ends a `take` that waits; may be called by any thread."""
        try:
            self._waker.send(b"\0")
        except OSError:
            return  # full: it is awake already; closed: nobody waits

    def take(self, wait_s: float, most: int) -> list[Incoming]:
        """What waits, whole reads of the socket until there are `most`; waits up to `wait_s` for the first.

        It also keeps the session alive. With `most` 0 it waits for a `wake`, and what comes meanwhile is queued.
        """
        queue = self._queue
        self._tend(0.0 if queue and most else wait_s)
        taken: list[Incoming] = []
        while queue and len(taken) < most:
            taken = taken + queue.popleft() if taken else queue.popleft()
        self._waiting -= len(taken)
        if not self._waiting:
            self._bytes = 0
        elif taken:
            self._bytes -= sum(len(item[1]) for item in taken if isinstance(item, tuple))
        return taken

    def subscribe(self, topics: Sequence[tuple[str, int]]) -> None:
        """Subscribes; `Subscribed` comes when the broker has done so. Without a session nothing happens."""
        if self._link is not None:
            self._link.asked_s = time.monotonic()
            self._send(mqtt_wire.subscribe(self._link.next_id(), topics))

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> bool:
        """Hands a message to the session; False without one (nothing is ever kept for a later session)."""
        link = self._link
        if link is None:
            return False
        number = link.next_id() if qos else 0
        if qos:
            link.unacknowledged.add(number)
        self._send(mqtt_wire.publish(topic.encode(), payload, retain=retain, qos=qos, packet_id=number))
        return self._link is link

    def publish_all(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Hands messages to the session in one go, at QoS 0; without one nothing happens."""
        self._send(b"".join([mqtt_wire.publish(topic.encode(), payload) for topic, payload in messages]))

    def publish_and_wait(self, topic: str, payload: bytes, wait_s: float) -> None:
        """The same with QoS 1, retained, and waits for the broker's acknowledgement, at most `wait_s`."""
        link = self._link
        if self.publish(topic, payload, 1, True) and link is not None:
            number = link.packet_id
            self._settle(lambda: number not in link.unacknowledged, wait_s)

    # ---- the session ---------------------------------------------------------------------------------------------
    def _redial(self, wait_s: float) -> None:
        def run() -> None:
            if self._stopping.wait(wait_s * random.uniform(0.5, 1.0)):  # noqa: S311 - jitter, no secret
                return
            try:
                topic, payload = self._will()
                self._dialled.append(dial(self._config, Will(topic, payload, 1, True)))
            except FrostlineError as error:
                self._dialled.append(str(error))
            self.wake()

        threading.Thread(target=run, name="broker-dial", daemon=True).start()

    def _tend(self, wait_s: float) -> None:
        """Waits for something to do, and does it."""
        ready = self._wait(wait_s)
        while self._dialled:
            found = self._dialled.popleft()
            if isinstance(found, Session):
                self._begin(found)
            else:
                self._end(found)
        link = self._link
        if link is None:
            return
        try:
            if ready or isinstance(link.session.socket, ssl.SSLSocket):
                self._read(link)
            self._keep_alive(link, time.monotonic())
            self._flush(link)
        except ProtocolError as error:
            self._end(f"the broker speaks wrongly: {error}")
        except OSError as error:
            self._end(f"the connection broke: {error or type(error).__name__}")

    def _wait(self, wait_s: float) -> bool:
        """Whether the session's socket is ready."""
        link = self._link
        ready = link is not None and _held_back(link.session.socket)
        if ready:
            wait_s = 0.0
        for number, _ in self._poll.poll(max(0, int(wait_s * 1000 + 0.999))):
            if number == self._woken.fileno():
                self._woken.recv(4096)
            else:
                ready = True
        if ready:
            early_s = self._read_s + _NAP_S - time.monotonic()
            if early_s > 0 and wait_s > 0:
                time.sleep(early_s)
            self._read_s = time.monotonic()
        return ready

    def _begin(self, session: Session) -> None:
        now_s = time.monotonic()
        self._link = _Link(session, now_s, now_s, now_s)
        self._watch(self._link)
        self._news(Connected())
        self._sort(self._link, session.first)

    def _end(self, reason: str) -> None:
        link = self._link
        if link is not None:
            self._close()
            if time.monotonic() - link.began_s > _HEALTHY_S:
                self._wait_s = _FIRST_WAIT_S
        self._news(Disconnected(reason))
        self._redial(self._wait_s)
        self._wait_s = min(self._wait_s * 2, _MOST_WAIT_S)

    def _close(self) -> None:
        if self._link is not None:
            self._poll.unregister(self._link.session.socket)
            self._link.session.socket.close()
            self._link = None

    def _read(self, link: _Link) -> None:
        for _ in range(_MOST_READS):
            try:
                size = link.session.socket.recv_into(self._buffer)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            if not size:
                raise ConnectionResetError("the broker closed the connection")
            link.heard_s = time.monotonic()
            self._sort(link, link.session.parser.cut(bytes(self._buffer[:size])))
            if size < _READ_BYTES // 2 and not isinstance(link.session.socket, ssl.SSLSocket):
                return  # the kernel had no more

    def _news(self, news: Incoming) -> None:
        self._queue.append([news])
        self._waiting += 1

    def _sort(self, link: _Link, packets: Sequence[Message | Received | Packet]) -> None:
        """Queues what came in one read; all that is no message concerns the session."""
        messages: list[Incoming] = []
        room = self._most_messages - self._waiting if self._bytes < self._most_bytes else 0
        acks = bytearray()
        for packet in packets:
            if packet.__class__ is tuple:
                messages.append(packet)
            elif isinstance(packet, Received):
                if packet.qos:
                    acks += mqtt_wire.puback(packet.packet_id)
                messages.append((packet.topic, packet.payload))
            elif isinstance(packet, Packet):
                self._take_in(link, packet, messages)
        if len(messages) > room:
            self.dropped += sum(isinstance(each, tuple) for each in messages[room:])
            messages = messages[:room] + [each for each in messages[room:] if not isinstance(each, tuple)]
        if messages:
            self._queue.append(messages)
            self._waiting += len(messages)
            self._bytes += sum([len(each[1]) for each in messages if isinstance(each, tuple)])
        link.unsent += acks

    def _take_in(self, link: _Link, packet: Packet, messages: list[Incoming]) -> None:
        if packet.kind == Kind.PUBACK:
            link.unacknowledged.discard(int.from_bytes(packet.body[:2], "big"))
        elif packet.kind == Kind.SUBACK:
            if 0x80 in packet.body[2:]:
                raise ProtocolError("it refuses a subscription")
            link.asked_s = None
            messages.append(Subscribed())

    def _keep_alive(self, link: _Link, now_s: float) -> None:
        keepalive_s = self._config.keepalive_s
        if now_s - link.heard_s > keepalive_s * _DEAD_AFTER:
            raise ConnectionAbortedError(f"no sign of life for {now_s - link.heard_s:.0f} s")
        if link.asked_s is not None and now_s - link.asked_s > _SUBSCRIBE_S:
            raise ConnectionAbortedError(f"no answer to SUBSCRIBE for {_SUBSCRIBE_S:.0f} s")
        if now_s - link.pinged_s > keepalive_s / 2:
            link.pinged_s = now_s
            link.unsent += mqtt_wire.PINGREQ

    def _send(self, packet: bytes) -> None:
        link = self._link
        if link is None:
            return
        link.unsent += packet
        try:
            self._flush(link)
        except OSError as error:
            self._end(f"the connection broke: {error or type(error).__name__}")

    def _flush(self, link: _Link) -> None:
        """Sends what the socket takes; the rest waits for it."""
        if not link.unsent:
            return
        try:
            while link.unsent:
                del link.unsent[: link.session.socket.send(link.unsent)]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if len(link.unsent) > _MOST_UNSENT:
                raise ConnectionAbortedError("the broker does not read what we send") from None
        self._watch(link)

    def _watch(self, link: _Link) -> None:
        self._poll.register(link.session.socket, select.POLLIN | (select.POLLOUT if link.unsent else 0))

    def _settle(self, done: Callable[[], bool], wait_s: float) -> None:
        """Tends the session until something is done, at most so long."""
        until = time.monotonic() + wait_s
        while self._link is not None and not done() and (left := until - time.monotonic()) > 0:
            self._tend(min(left, 0.1))


def _held_back(connected: socket.socket) -> bool:
    """Whether TLS holds bytes that the kernel does not know of any more."""
    return isinstance(connected, ssl.SSLSocket) and connected.pending() > 0
