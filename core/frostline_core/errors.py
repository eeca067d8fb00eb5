"""The errors that decide what the caller does next.

FrostlineError
├── ConfigError        stop: a person must change something
├── UnavailableError   try again later: the other side is absent or busy
└── ProtocolError      drop the session, then try again: the other side spoke wrongly
"""

from __future__ import annotations


class FrostlineError(Exception):
    """Root of every error that Frostline raises on purpose."""


class ConfigError(FrostlineError):
    """The configuration is wrong; the message names the file, the key and what would be right."""


class UnavailableError(FrostlineError):
    """The other side is absent, busy or too slow; trying again later may help."""


class ProtocolError(FrostlineError):
    """The other side broke the protocol; the session must be dropped before another try."""
