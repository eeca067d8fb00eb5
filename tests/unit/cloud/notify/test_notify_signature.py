"""Signatures of webhooks, against the reference package."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Oracle

from frostline_cloud.notify.receivers.webhook import sign, verify
from frostline_cloud.notify.receivers.webhook.signature import key, new_secret
from frostline_core.errors import ConfigError, ProtocolError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = new_secret()
NOW = 1_700_000_000
BODY = '{"type":"alert.firing","summary":"Kühlraum zu warm"}'.encode()


def headers(*secrets: str, body: bytes = BODY, at: int = NOW) -> dict[str, str]:
    return sign("msg_1", at, body, [key(secret) for secret in secrets])


@given(
    st.binary(min_size=24, max_size=64),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    st.integers(0, 4_000_000_000),
    st.text(max_size=200),
)
def test_a_signature_is_the_reference_packages(secret: bytes, message_id: str, at: int, body: str) -> None:
    text = "whsec_" + base64.b64encode(secret).decode()

    signed = sign(message_id, at, body.encode(), [key(text)])["webhook-signature"]

    assert signed == Oracle(text).sign(message_id, datetime.fromtimestamp(at, UTC), body)


def test_the_reference_package_accepts_our_headers() -> None:
    now = int(time.time())

    Oracle(SECRET).verify(BODY.decode(), headers(SECRET, at=now))


def test_we_accept_the_reference_packages_signature() -> None:
    signature = Oracle(SECRET).sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    given = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(NOW), "Webhook-Signature": signature}

    verify(given, BODY, [SECRET], NOW)


def test_while_secrets_change_either_side_may_have_the_old_one() -> None:
    verify(headers(SECRET, OLD), BODY, [OLD], NOW)
    verify(headers(OLD), BODY, [SECRET, OLD], NOW)


@pytest.mark.parametrize("drift", [-300, 300])
def test_a_webhook_within_the_tolerance_is_accepted(drift: int) -> None:
    verify(headers(SECRET), BODY, [SECRET], NOW + drift)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-id": "msg_2"}, "no signature matches"),
        ({"webhook-timestamp": str(NOW + 1)}, "no signature matches"),
        ({"webhook-timestamp": "soon"}, "not a number"),
        ({"webhook-timestamp": "-1"}, "not a number"),
        ({"webhook-timestamp": "9" * 30}, "not a number"),
        ({"webhook-signature": ""}, "missing"),
        ({"webhook-signature": "v2,abc"}, "no signature matches"),
        ({"webhook-signature": "v1,ünicode"}, "no signature matches"),
    ],
)
def test_a_changed_header_is_refused(change: dict[str, str], why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        verify({**headers(SECRET), **change}, BODY, [SECRET], NOW)


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no signature matches"):
        verify(headers(SECRET), BODY + b" ", [SECRET], NOW)


def test_another_secret_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no signature matches"):
        verify(headers(SECRET), BODY, [OLD], NOW)


@pytest.mark.parametrize("drift", [-301, 301])
def test_an_old_or_future_webhook_is_refused(drift: int) -> None:
    with pytest.raises(ProtocolError, match="s old"):
        verify(headers(SECRET), BODY, [SECRET], NOW + drift)


def test_a_new_secret_is_a_new_one() -> None:
    assert len(key(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize("wrong", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!", "whsec_c2hvcnQ="])
def test_a_malformed_secret_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(ConfigError) as raised:
        key(wrong, "receiver 'ops'")

    assert str(raised.value).startswith("receiver 'ops': ")
    assert "c2hvcnQ" not in str(raised.value)
