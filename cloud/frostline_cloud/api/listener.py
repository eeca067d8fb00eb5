"""The socket that API and console listen on, made before anything else: a port in use is a fault of the config."""

from __future__ import annotations

import socket

from frostline_cloud.api.config import HttpConfig
from frostline_core.errors import ConfigError

_BACKLOG = 256


def listen(config: HttpConfig) -> socket.socket:
    """The listening socket.

    Raises:
        ConfigError: The address is not ours or is in use.
    """
    host, port = config.address
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"http.listen: {config.listen}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)  # from now on a client waits instead of being refused
    except OSError as error:
        listener.close()
        raise ConfigError(f"http.listen: {config.listen}: {error.strerror}") from error
    return listener
