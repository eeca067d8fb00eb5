"""What the uplink's config accepts, and what it says of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from frostline_core.config import parse
from frostline_core.errors import ConfigError
from frostline_gateway.uplink_config import UplinkConfig


def config(**table: Any) -> UplinkConfig:
    return parse(table, UplinkConfig, "gateway.toml")


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://127.0.0.1", "127.0.0.1", 1883, False),
        ("mqtt://localhost:2000", "localhost", 2000, False),
        ("mqtt://[::1]:2000", "::1", 2000, False),
        ("mqtts://broker.example", "broker.example", 8883, True),
        ("mqtts://broker.example:443/", "broker.example", 443, True),
    ],
)
def test_a_url_says_where_the_broker_is(url: str, host: str, port: int, tls: bool) -> None:
    found = config(url=url)
    assert (found.host, found.port, found.tls) == (host, port, tls)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"url": "tcp://127.0.0.1"}, "a broker is mqtts://"),
        ({"url": "mqtts://"}, "a broker is mqtts://"),
        ({"url": "mqtts://host:port"}, "port"),
        ({"url": "mqtts://me:secret@host"}, "neither user"),
        ({"url": "mqtt://broker.example"}, "use mqtts://"),
        ({"url": "mqtt://127.0.0.1", "ca_file": "/ca.pem"}, "certificates need mqtts://"),
        ({"url": "mqtts://host", "cert_file": "/c.pem"}, "go together"),
        ({"password": "${env:P}"}, "needs a username"),
        ({"keepalive_s": 1}, "keepalive_s"),
        ({"proof": "hope"}, "proof"),
        ({"hots": 1}, "unknown key"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(table: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        config(**table)


def test_plain_mqtt_to_another_machine_takes_a_decision() -> None:
    assert config(url="mqtt://broker.example", insecure=True).host == "broker.example"


def test_every_key_is_described() -> None:
    assert all(field.description for field in UplinkConfig.model_fields.values())
