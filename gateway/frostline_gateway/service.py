"""What systemd wants to hear (sd_notify): ready, alive, stopping. Source: man page sd_notify(3)."""

from __future__ import annotations

import os
import socket
from importlib.resources import files


def unit() -> str:
    """The service unit that comes with the gateway."""
    return (files("frostline_gateway") / "systemd" / "frostline-gateway.service").read_text(encoding="utf-8")


def tell(state: str) -> bool:
    """Sends `READY=1`, `WATCHDOG=1` or `STOPPING=1`; False when nobody asked to hear it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # abstract namespace
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return False
    return True


def watchdog_s() -> float | None:
    """How often `WATCHDOG=1` is due: half of what the unit allows; None without a watchdog or for another process."""
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    micros = os.environ.get("WATCHDOG_USEC", "")
    return int(micros) / 2e6 if micros.isdigit() and pid == str(os.getpid()) else None
