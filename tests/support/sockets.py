"""Sockets that are open in this process, and paho clients that leave none.

A socket that is forgotten is closed by whoever collects it, at some later moment: in somebody else's test, where it is
a ResourceWarning that names nobody.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from paho.mqtt.client import Client


def descriptors() -> dict[str, int]:
    """The sockets of this process as the kernel numbers them, each with its descriptor."""
    found = {}
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder's own descriptor, gone by now
            found[str(each.readlink())] = int(each.name)
    return {inode: number for inode, number in found.items() if inode.startswith("socket:")}


def left_open(before: Collection[str]) -> list[socket.socket]:
    """The sockets that are open and were not before, also those that only a cycle of forgotten objects holds.

    Args:
        before: What `descriptors` gave then.

    Returns:
        Those of Python; what a library in C keeps for itself is its own affair.
    """
    new = {number for inode, number in descriptors().items() if inode not in before}
    if not new:
        return []  # to look at every object takes 50 ms
    return [each for each in gc.get_objects() if isinstance(each, socket.socket) and each.fileno() in new]


def end(client: Client) -> None:
    """Ends a paho client: connection, thread and all its sockets, whatever state it is in. It can be used afresh."""
    client.disconnect()
    with suppress(AttributeError):  # paho's thread forgets itself as it ends, maybe while loop_stop looks at it
        client.loop_stop()
    client.reinitialise()  # closes what is left: a connection made anew meanwhile, the pair that wakes the thread
