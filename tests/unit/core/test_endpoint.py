"""URLs of servers: what is taken, what is refused, and who could listen in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.endpoint import Endpoint, broker, check_certificate, check_exposed, database, is_loopback


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("mqtts://broker.example", Endpoint("mqtts", "broker.example", 8883)),
        ("mqtts://broker.example:443/", Endpoint("mqtts", "broker.example", 443)),
        ("mqtt://127.0.0.1", Endpoint("mqtt", "127.0.0.1", 1883)),
        ("mqtt://[::1]:1999", Endpoint("mqtt", "::1", 1999)),
    ],
)
def test_a_broker_is_a_host_and_a_port(url: str, endpoint: Endpoint) -> None:
    assert broker(url) == endpoint


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("tcp://host", "a broker is mqtts://host"),
        ("host:1883", "a broker is mqtts://host"),
        ("mqtts://", "a broker is mqtts://host"),
        ("mqtts://two words", "a broker is mqtts://host"),
        ("mqtts://me@host", "neither user nor password"),
        ("mqtts://:secret@host", "neither user nor password"),
        ("mqtts://host:port", "number from 1 to 65535"),
        ("mqtts://host:0", "number from 1 to 65535"),
        ("mqtts://host:65536", "number from 1 to 65535"),
        ("mqtts://host/path", "neither path, query nor fragment"),
        ("mqtts://host?a=b", "neither path, query nor fragment"),
    ],
)
def test_anything_else_is_refused_with_the_form(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        broker(url)


def test_a_secret_in_a_url_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ValueError, match="neither user") as caught:
        broker("mqtts://me:hunter2@host")
    assert "hunter2" not in str(caught.value)


def test_a_database_may_have_a_path() -> None:
    assert database("https://db.example/influx", "a store") == Endpoint("https", "db.example", 443)
    with pytest.raises(ValueError, match="a store is https://host"):
        database("ftp://db.example", "a store")


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("192.0.2.1", False),
        ("localhost.example", False),
        ("127.example", False),
        ("192.168.1.1", False),
        ("", False),
    ],
)
def test_loopback_is_what_surely_stays_on_this_machine(host: str, *, here: bool) -> None:
    assert is_loopback(host) is here


def test_plain_text_across_a_network_must_be_asked_for() -> None:
    away, here = broker("mqtt://broker.example"), broker("mqtt://localhost")
    with pytest.raises(ValueError, match="use mqtts://, or say insecure = true"):
        check_exposed(away, insecure=False)
    check_exposed(away, insecure=True)
    check_exposed(here, insecure=False)
    check_exposed(broker("mqtts://broker.example"), insecure=False)


def test_a_certificate_needs_its_key() -> None:
    check_certificate(None, None)
    check_certificate("a", "b")
    for one in (("a", None), (None, "b")):
        with pytest.raises(ValueError, match="go together"):
            check_certificate(*one)


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_a_value_error(text: str) -> None:
    for url in (text, f"mqtt://{text}", f"mqtts://{text}"):
        try:
            found = broker(url)
        except ValueError:
            continue
        assert found.host
        assert 0 < found.port < 65536
