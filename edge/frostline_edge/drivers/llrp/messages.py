"""The LLRP messages that this driver sends, and what it wants from those that it gets. Pure.

Source: EPCglobal Low Level Reader Protocol 1.0.1; section numbers stand at the parts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from frostline_core.errors import ProtocolError
from frostline_edge.drivers.llrp.wire import parameters, tlv

ROSPEC_ID = 1
SUCCESS = 0


class Kind(IntEnum):
    """Message types (section 16.1)."""

    GET_READER_CAPABILITIES = 1
    GET_READER_CONFIG = 2
    SET_READER_CONFIG = 3
    CLOSE_CONNECTION_RESPONSE = 4
    GET_READER_CAPABILITIES_RESPONSE = 11
    GET_READER_CONFIG_RESPONSE = 12
    SET_READER_CONFIG_RESPONSE = 13
    CLOSE_CONNECTION = 14
    ADD_ROSPEC = 20
    DELETE_ROSPEC = 21
    START_ROSPEC = 22
    ENABLE_ROSPEC = 24
    ADD_ROSPEC_RESPONSE = 30
    DELETE_ROSPEC_RESPONSE = 31
    START_ROSPEC_RESPONSE = 32
    ENABLE_ROSPEC_RESPONSE = 34
    RO_ACCESS_REPORT = 61
    KEEPALIVE = 62
    READER_EVENT_NOTIFICATION = 63
    ENABLE_EVENTS_AND_REPORTS = 64
    KEEPALIVE_ACK = 72
    ERROR_MESSAGE = 100


@dataclass(frozen=True, slots=True)
class Status:
    """An LLRPStatus: 0 is success, anything else a refusal with the reader's words (section 14)."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class RfMode:
    """One entry of the reader's table of air-interface modes (C1G2UHFRFModeTableEntry).

    Attributes:
        id: What a ROSpec names.
        miller: 0 for FM0, 1 to 3 for Miller 2, 4 and 8: slower but harder to disturb.
        bits_per_s: Backscatter data rate.
    """

    id: int
    miller: int
    bits_per_s: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the reader can do, as far as a scan depends on it (section 9.2).

    Attributes:
        antennas: Ports.
        vendor: IANA private enterprise number of the maker.
        model: The maker's model number.
        firmware: The maker's version text.
        holds_reports: It may hold reports until ENABLE_EVENTS_AND_REPORTS.
        powers_dbm: Transmit power by table index.
        modes: Air-interface modes in the reader's order; may be empty.
        hop_table: Id of the first frequency hop table; 0 where the reader does not hop.
    """

    antennas: int = 0
    vendor: int = 0
    model: int = 0
    firmware: str = ""
    holds_reports: bool = False
    powers_dbm: tuple[tuple[int, float], ...] = ()
    modes: tuple[RfMode, ...] = ()
    hop_table: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """What the reader shall do from now on.

    Attributes:
        antennas: Ports to use.
        session: Gen2 session 0 to 3: how soon a tag answers again.
        population: How many tags to expect; sets the length of an inventory round.
        mode: Air-interface mode; None leaves the reader's own choice.
        power_index: Index in the reader's power table; None leaves the reader's own choice.
        hop_table: See Capabilities.
    """

    antennas: tuple[int, ...]
    session: int
    population: int
    mode: int | None = None
    power_index: int | None = None
    hop_table: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """What a READER_EVENT_NOTIFICATION says, as far as this driver acts on it (section 13).

    Attributes:
        connection: Status of the connection attempt; 0 is success, None when the notice is about something else.
        closed: The reader ends the connection.
        stopped: Id of a ROSpec that ended.
        antenna: Port whose cable was connected or disconnected.
        antenna_connected: Which of the two.
        trouble: Text of a reader exception, or that the reader lost reports.
    """

    connection: int | None = None
    closed: bool = False
    stopped: int | None = None
    antenna: int | None = None
    antenna_connected: bool = True
    trouble: str = ""


def get_capabilities() -> bytes:
    """Body of GET_READER_CAPABILITIES: everything."""
    return b"\x00"


def get_antennas() -> bytes:
    """Body of GET_READER_CONFIG: the properties of every antenna (section 12.1)."""
    return struct.pack(">HBHH", 0, 2, 0, 0)


def disconnected(body: bytes) -> set[int]:
    """Ports that a GET_READER_CONFIG_RESPONSE says have no antenna; a reader that cannot tell names none.

    Raises:
        ProtocolError: A parameter is cut short.
    """
    found = (_unpack(">BH", body, start, end) for kind, start, end in parameters(body) if kind == 221)
    return {port for flags, port in found if not flags & 0x80}


def set_config(keepalive_s: float) -> bytes:
    """Body of SET_READER_CONFIG: keepalives, the events that matter, and no holding of reports (section 12.1).

    Args:
        keepalive_s: Period of the reader's KEEPALIVE messages.
    """
    wanted = (0, 0), (2, 1), (3, 1), (4, 1), (8, 1)  # hopping off; ROSpec, buffer, exception and antenna events on
    states = b"".join(tlv(245, struct.pack(">HB", event, on << 7)) for event, on in wanted)
    keepalive = tlv(220, struct.pack(">BI", 1, round(keepalive_s * 1000)))
    return b"\x00" + tlv(244, states) + keepalive + tlv(226, b"\x00")


def rospec_id(number: int) -> bytes:
    """Body of DELETE, START and ENABLE_ROSPEC; 0 means every ROSpec."""
    return struct.pack(">I", number)


def add_rospec(scan: Scan) -> bytes:
    """Body of ADD_ROSPEC: runs from START_ROSPEC until it is deleted, reports each read at once (section 10.2)."""
    boundary = tlv(178, tlv(179, b"\x00"), tlv(182, b"\x00" + bytes(4)))
    command = [b"\x00"]
    if scan.mode is not None:
        command.append(tlv(335, struct.pack(">HH", scan.mode, 0)))
    command.append(tlv(336, struct.pack(">BHI", scan.session << 6, scan.population, 0)))
    settings = []
    if scan.power_index is not None:
        channel = 0 if scan.hop_table else 1
        settings.append(tlv(224, struct.pack(">HHH", scan.hop_table, channel, scan.power_index)))
    settings.append(tlv(330, *command))
    antenna = tlv(222, struct.pack(">H", 0), *settings)  # 0: the settings of every antenna below
    inventory = tlv(186, struct.pack(">HB", 1, 1), antenna)
    ports = struct.pack(f">H{len(scan.antennas)}H", len(scan.antennas), *scan.antennas)
    antennas = tlv(183, ports, tlv(184, b"\x00" + bytes(4)), inventory)
    content = tlv(238, struct.pack(">H", 1 << 12 | 1 << 10 | 1 << 7), tlv(348, b"\x00"))  # antenna, RSSI, seen count
    report = tlv(237, struct.pack(">BH", 2, 1), content)
    return tlv(177, struct.pack(">IBB", ROSPEC_ID, 0, 0), boundary, antennas, report)


def status(body: bytes) -> Status:
    """The LLRPStatus in an answer.

    Raises:
        ProtocolError: There is none.
    """
    for kind, start, end in parameters(body):
        if kind == 287 and end - start >= 4:
            code, size = struct.unpack_from(">HH", body, start)
            return Status(code, body[start + 4 : min(end, start + 4 + size)].decode("utf-8", "replace"))
    raise ProtocolError("LLRP answer without a status")


def capabilities(body: bytes) -> Capabilities:
    """What a GET_READER_CAPABILITIES_RESPONSE says.

    Raises:
        ProtocolError: A parameter is cut short.
    """
    general: tuple[int, int, int, str] = (0, 0, 0, "")
    holds, powers, modes, hop_table = False, [], [], 0
    for kind, start, end in _tree(body):
        if kind == 137:
            ports, _, vendor, model, size = _unpack(">HHIIH", body, start, end)
            text = body[start + 14 : min(end, start + 14 + size)]
            general = (ports, vendor, model, text.decode("utf-8", "replace"))
        elif kind == 142:
            holds = bool(_unpack(">B", body, start, end)[0] & 0x08)
        elif kind == 145:
            index, hundredths = _unpack(">Hh", body, start, end)
            powers.append((index, hundredths / 100))
        elif kind == 147 and not hop_table:
            hop_table = _unpack(">B", body, start, end)[0]
        elif kind == 329:
            mode, _, miller, _, _, rate = _unpack(">IBBBBI", body, start, end)
            modes.append(RfMode(mode, miller, rate))
    return Capabilities(*general, holds, tuple(powers), tuple(modes), hop_table)


def notice(body: bytes) -> Notice:
    """What a READER_EVENT_NOTIFICATION says; anything this driver does not act on is an empty notice.

    Raises:
        ProtocolError: A parameter is cut short.
    """
    for kind, start, end in _tree(body):
        if kind == 256:
            return Notice(connection=_unpack(">H", body, start, end)[0])
        if kind == 257:
            return Notice(closed=True)
        if kind == 255:
            connected, port = _unpack(">BH", body, start, end)
            return Notice(antenna=port, antenna_connected=bool(connected))
        if kind == 249:
            event, number = _unpack(">BI", body, start, end)
            return Notice(stopped=number) if event == 1 else Notice()
        if kind == 251:
            return Notice(trouble="the reader's report buffer ran over; reads were lost")
        if kind == 252:
            (size,) = _unpack(">H", body, start, end)
            return Notice(trouble=body[start + 2 : min(end, start + 2 + size)].decode("utf-8", "replace"))
    return Notice()


_FIELDS = {246: 0, 143: 4, 144: 0, 146: 1, 328: 0}
"""Parameters whose sub-parameters matter, with the bytes of fields that come before those."""


def _tree(body: bytes, first: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Every parameter, and those inside the containers of _FIELDS, in the order of the bytes."""
    for kind, start, stop in parameters(body, first, end):
        yield kind, start, stop
        if kind in _FIELDS:
            yield from _tree(body, min(stop, start + _FIELDS[kind]), stop)


def _unpack(layout: str, body: bytes, start: int, end: int) -> tuple[int, ...]:
    if end - start < struct.calcsize(layout):
        raise ProtocolError(f"LLRP parameter cut short at byte {start}")
    return struct.unpack_from(layout, body, start)
