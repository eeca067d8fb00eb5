"""JSON values as readings, and what an availability message says."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.config import parse
from frostline_core.errors import ConfigError, ProtocolError
from frostline_core.reading import Quality, Reading, Value
from frostline_edge.drivers.mqtt.config import Metric
from frostline_edge.drivers.mqtt.values import Source, document, online


def reading(payload: bytes, **metric: object) -> Reading | None:
    source = Source.of(parse({"name": "m", "path": "v"} | metric, Metric, "test"))
    return source.reading("device", document(payload), 5, Quality.GOOD)


@pytest.mark.parametrize(
    ("payload", "kind", "value"),
    [
        (b'{"v": 21.5}', "number", 21.5),
        (b'{"v": 21}', "number", 21.0),
        (b'{"v": "-21.5"}', "number", -21.5),
        (b'{"v": 7}', "integer", 7),
        (b'{"v": true}', "boolean", True),
        (b'{"v": "warm"}', "text", "warm"),
    ],
)
def test_a_value_of_its_type_is_a_good_reading(payload: bytes, kind: str, value: Value) -> None:
    assert reading(payload, type=kind) == Reading("device", "m", value, 5)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b'{"v": null}', "number"),
        (b'{"v": true}', "number"),
        (b'{"v": "warm"}', "number"),
        (b'{"v": "nan"}', "number"),
        (b'{"v": {}}', "number"),
        (b'{"v": 1e999}', "number"),
        (b'{"v": 1' + b"0" * 400 + b"}", "number"),
        (b'{"v": 7.5}', "integer"),
        (b'{"v": 9223372036854775808}', "integer"),
        (b'{"v": 1}', "boolean"),
        (b'{"v": 1}', "text"),
    ],
)
def test_anything_else_at_the_path_is_a_bad_reading_without_a_value(payload: bytes, kind: str) -> None:
    assert reading(payload, type=kind) == Reading("device", "m", None, 5, Quality.BAD)


def test_a_message_that_does_not_speak_of_the_metric_gives_no_reading() -> None:
    assert reading(b'{"other": 1}') is None


@pytest.mark.parametrize(
    ("true_when", "payload", "value"),
    [
        (False, b'{"v": false}', True),
        (False, b'{"v": true}', False),
        ("ON", b'{"v": "ON"}', True),
        ("ON", b'{"v": "OFF"}', False),
        (1, b'{"v": 1}', True),
        (1, b'{"v": true}', None),
    ],
)
def test_a_boolean_is_what_the_config_says_is_true(true_when: object, payload: bytes, value: Value) -> None:
    found = reading(payload, type="boolean", true_when=true_when)
    assert found is not None and found.value == value


def test_an_empty_path_takes_the_whole_payload() -> None:
    found = reading(b"21.5", path="")
    assert found is not None and found.value == 21.5


@pytest.mark.parametrize("payload", [b"", b"{", b"NaN", b'{"v": Infinity}', b"\xff", b"[" * 60_000])
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="no JSON"):
        document(payload)


@given(st.binary(max_size=60))
def test_no_payload_breaks_the_reading(payload: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        reading(payload)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"online", True),
        (b"Offline", False),
        (b'{"state": "online"}', True),
        (b'{"state":"offline"}', False),
        (b'{"state": 1}', None),
        (b"{", None),
        (b"", None),
        (b"maybe", None),
    ],
)
def test_availability_is_text_or_json(payload: bytes, said: bool | None) -> None:
    assert online(payload) is said


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"unit": "C"}, "unknown unit 'C'"),
        ({"unit": "Cel", "source_unit": "%"}, "cannot convert"),
        ({"type": "text", "unit": "Cel"}, "a text has no unit"),
        ({"path": "a..b"}, "is no path"),
        ({"name": "Temp"}, "name"),
    ],
)
def test_faults_in_a_metric_are_named(metric: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({"name": "m", "path": "v"} | metric, Metric, "test")
