"""Signatures of webhooks: HMAC-SHA256 over `id.timestamp.body`, in base64, after the version `v1,`.

Source: Standard Webhooks 1.0, https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets as entropy
from collections.abc import Mapping, Sequence

from frostline_core.errors import ConfigError, ProtocolError

PREFIX = "whsec_"
TOLERANCE_S = 300
_LEAST_BYTES, _MOST_BYTES = 24, 64  # what the specification allows for a secret


def new_secret() -> str:
    """A fresh secret with 256 random bits."""
    return PREFIX + base64.b64encode(entropy.token_bytes(32)).decode("ascii")


def key(secret: str, source: str = "secret") -> bytes:
    """The key in a secret such as `whsec_MfKQ...`.

    Raises:
        ConfigError: It is not that; the message does not repeat it.
    """
    if not secret.startswith(PREFIX):
        raise ConfigError(f"{source}: a webhook secret starts with {PREFIX}; make one: frostline webhook new-secret")
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"{source}: what follows {PREFIX} is not base64") from error
    if not _LEAST_BYTES <= len(found) <= _MOST_BYTES:
        raise ConfigError(f"{source}: a webhook secret holds {_LEAST_BYTES} to {_MOST_BYTES} bytes, not {len(found)}")
    return found


def sign(message_id: str, timestamp_s: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The three headers of a webhook; one signature for each key, so that secrets can be changed without a gap."""
    signatures = (f"v1,{_mac(message_id, timestamp_s, body, each)}" for each in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
    }


def verify(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: int, tolerance_s: int = TOLERANCE_S
) -> None:
    """Checks that a webhook is genuine and fresh.

    Args:
        headers: Of the request; case does not matter.
        body: The bytes as they came.
        secrets: `whsec_...`; one of them must match.
        now_s: The clock, UTC seconds.
        tolerance_s: How far the webhook's time may be from the clock.

    Raises:
        ProtocolError: It is not; the message says why.
        ConfigError: A secret is malformed.
    """
    found = {name.lower(): value for name, value in headers.items()}
    message_id, stamp, signature = (found.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message_id and stamp and signature):
        raise ProtocolError("webhook-id, webhook-timestamp or webhook-signature is missing")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise ProtocolError("webhook-timestamp is not a number of seconds")
    if abs(now_s - int(stamp)) > tolerance_s:
        raise ProtocolError(f"webhook-timestamp is {now_s - int(stamp)} s old; at most {tolerance_s} s are accepted")
    given = [each.removeprefix("v1,").encode() for each in signature.split(" ") if each.startswith("v1,")]
    expected = [_mac(message_id, int(stamp), body, key(secret)).encode() for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in given for other in expected):
        raise ProtocolError("no signature matches: another secret, or the body was changed on the way")


def _mac(message_id: str, timestamp_s: int, body: bytes, secret: bytes) -> str:
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return base64.b64encode(hmac.digest(secret, signed, "sha256")).decode("ascii")
