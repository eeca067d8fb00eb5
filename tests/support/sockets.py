"""Sockets that are open in this process, and paho clients that leave none.

A socket that is forgotten is closed by whoever collects it, at some later moment: in somebody else's test, where it is
a ResourceWarning that names nobody.
"""

from __future__ import annotations

import gc
import socket
from contextlib import suppress

from paho.mqtt.client import Client


def open_sockets() -> list[socket.socket]:
    """All that are open now, also those that only a cycle of forgotten objects holds."""
    return [each for each in gc.get_objects() if isinstance(each, socket.socket) and each.fileno() != -1]


def end(client: Client) -> None:
    """Ends a paho client: connection, thread and all its sockets, whatever state it is in. It can be used afresh."""
    client.disconnect()
    with suppress(AttributeError):  # paho's thread forgets itself as it ends, maybe while loop_stop looks at it
        client.loop_stop()
    client.reinitialise()  # closes what is left: a connection made anew meanwhile, the pair that wakes the thread
