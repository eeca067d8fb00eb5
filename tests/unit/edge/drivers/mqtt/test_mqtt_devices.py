"""Devices behind a broker: births, joined topics, silence, refusals, bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from frostline_core.config import parse
from frostline_core.errors import ConfigError
from frostline_core.reading import DeviceDescription, Quality, Reading
from frostline_edge.drivers.mqtt.config import Config
from frostline_edge.drivers.mqtt.devices import Devices, Message
from frostline_edge.sampling import Sampling

_TEMPERATURE = {"name": "temperature", "path": "t", "unit": "Cel"}
_DOOR = {"name": "door_open", "path": "contact", "type": "boolean", "true_when": False, "event": True}
_MATCH: dict[str, object] = {"topic": "z/{device}", "kind": "ambient", "metric": [_TEMPERATURE], "max_silence_s": 60}


class Recorder:
    """An Emit that keeps what it was told, in order."""

    def __init__(self) -> None:
        self.born_as: dict[str, DeviceDescription] = {}
        self.sampling: dict[str, Mapping[str, Sampling]] = {}
        self.told: list[tuple[str, str]] = []
        self.readings: list[Reading] = []

    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        self.born_as[device.id] = device
        self.sampling[device.id] = sampling
        self.told.append(("born", device.id))

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        self.told.append(("scan", device))
        self.readings += readings

    def event(self, device: str, readings: Sequence[Reading]) -> None:
        self.told.append(("event", device))
        self.readings += readings

    def died(self, device: str, reason: str) -> None:
        self.told.append(("died", device))


def devices(*matches: Mapping[str, object], **changes: object) -> Devices:
    table = {"type": "mqtt", "name": "local", "match": list(matches) or [_MATCH]}
    return Devices(parse(table | changes, Config, "test"))


def message(topic: str, payload: bytes, *, retained: bool = False, at_s: float = 1.0) -> Message:
    return Message(topic, payload, retained, round(at_s * 1000), at_s)


def test_the_first_message_gives_birth_to_its_device() -> None:
    behind, emit = devices(), Recorder()
    behind.take(message("z/fridge", b'{"t": 4.5}'), emit)
    assert emit.told == [("born", "fridge"), ("scan", "fridge")]
    assert emit.readings == [Reading("fridge", "temperature", 4.5, 1000)]
    assert emit.born_as["fridge"].kind == "ambient"


def test_named_levels_are_zone_and_labels() -> None:
    behind, emit = devices(_MATCH | {"topic": "{building}/{zone}/{device}"}), Recorder()
    behind.take(message("north/packing/esp1", b'{"t": 4.5}'), emit)
    found = emit.born_as["esp1"]
    assert (found.zone, found.labels) == ("packing", {"building": "north"})


def test_topics_of_one_device_join_its_metrics() -> None:
    humidity = {"name": "humidity", "path": "", "unit": "%"}
    other = {"topic": "h/{device}", "kind": "ambient", "metric": [humidity]}
    behind, emit = devices(_MATCH, other), Recorder()
    behind.take(message("z/esp1", b'{"t": 4.5}'), emit)
    behind.take(message("h/esp1", b"40"), emit)
    behind.take(message("z/esp1", b'{"t": 4.6}'), emit)
    assert [metric.name for metric in emit.born_as["esp1"].metrics] == ["temperature", "humidity"]
    assert [kind for kind, _ in emit.told] == ["born", "scan", "born", "scan", "scan"]


def test_sampling_is_what_the_config_says() -> None:
    metric = _TEMPERATURE | {"deadband": 0.5, "source_unit": "[degF]"}
    behind, emit = devices(_MATCH | {"metric": [metric]}), Recorder()
    behind.take(message("z/esp1", b'{"t": 4.5}'), emit)
    assert emit.sampling["esp1"]["temperature"] == Sampling(deadband=0.5, source_unit="[degF]")


def test_a_silent_device_dies_once_and_lives_again_when_it_speaks() -> None:
    behind, emit = devices(), Recorder()
    behind.take(message("z/a", b'{"t": 1}'), emit)
    for now_s in (61.0, 61.1, 99.0):
        behind.check(now_s, emit)
    behind.take(message("z/a", b'{"t": 1}', at_s=100), emit)
    assert [kind for kind, _ in emit.told] == ["born", "scan", "died", "born", "scan"]


def test_offline_kills_and_online_alone_gives_no_life() -> None:
    behind, emit = devices(_MATCH | {"availability": "z/{device}/availability"}), Recorder()
    behind.take(message("z/a", b'{"t": 1}'), emit)
    behind.take(message("z/a/availability", b"offline", retained=True), emit)
    behind.take(message("z/a/availability", b"online"), emit)
    assert [kind for kind, _ in emit.told] == ["born", "scan", "died"]


def test_without_the_broker_every_device_is_dead() -> None:
    behind, emit = devices(), Recorder()
    behind.take(message("z/a", b'{"t": 1}'), emit)
    behind.lose("gone", emit)
    assert emit.told[-1] == ("died", "a") and behind.alive == 0


def test_a_retained_value_is_not_taken_as_measured_now() -> None:
    behind, emit = devices(), Recorder()
    behind.take(message("z/a", b'{"t": 1}', retained=True), emit)
    assert emit.told == [] and behind.counts == {"retained": 1}


def test_a_retained_value_is_uncertain_where_it_is_accepted() -> None:
    behind, emit = devices(_MATCH | {"accept_retained": True}), Recorder()
    behind.take(message("z/a", b'{"t": 1}', retained=True), emit)
    assert [each.quality for each in emit.readings] == [Quality.UNCERTAIN]


def test_a_change_of_an_event_metric_is_an_event_and_its_repetition_is_not() -> None:
    behind, emit = devices(_MATCH | {"kind": "door", "metric": [_DOOR]}), Recorder()
    for contact in (b"true", b"true", b"false", b"false", b"true"):
        behind.take(message("z/d", b'{"contact": ' + contact + b"}"), emit)
    assert [kind for kind, _ in emit.told] == ["born", "scan", "scan", "event", "scan", "event"]
    assert [each.value for each in emit.readings] == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("payload", "reason"), [(b"{", "no JSON"), (b'{"x": 1}', "no metric"), (b'{"t": "' + b"1" * 99 + b'"}', "too long")]
)
def test_a_message_without_use_is_refused_counted_and_logged_once(
    payload: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    behind, emit = devices(max_payload_bytes=100), Recorder()
    for _ in range(3):
        behind.take(message("z/a", payload), emit)
    assert (behind.counts[reason], behind.refused, emit.told) == (3, 3, [])
    assert [f"refused ({reason}): 'z/a'" in record.getMessage() for record in caplog.records] == [True]


def test_devices_beyond_the_bound_are_refused() -> None:
    behind, emit = devices(max_devices=2), Recorder()
    for name in "abc":
        behind.take(message(f"z/{name}", b'{"t": 1}'), emit)
    assert sorted(emit.born_as) == ["a", "b"] and behind.counts["too many devices"] == 1


def test_ids_are_made_safe_and_two_devices_never_share_one() -> None:
    behind, emit = devices(prefix="z2m-"), Recorder()
    behind.take(message("z/Küche 1", b'{"t": 1}'), emit)
    behind.take(message("z/K_che 1", b'{"t": 2}'), emit)
    assert list(emit.born_as) == ["z2m-K_che_1"] and behind.counts["name taken"] == 1


def test_a_device_has_one_kind() -> None:
    behind, emit = devices(_MATCH, _MATCH | {"topic": "y/{device}", "kind": "cold_room"}), Recorder()
    behind.take(message("z/a", b'{"t": 1}'), emit)
    behind.take(message("y/a", b'{"t": 1}'), emit)
    assert behind.counts["name taken"] == 1


def test_all_topics_are_subscribed_once() -> None:
    match = _MATCH | {"availability": "z/{device}/availability"}
    assert devices(match, match | {"kind": "door"}).filters == ["z/+", "z/+/availability"]


_CONFIG = {"type": "mqtt", "name": "local", "match": [_MATCH]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"url": "http://broker"}, "url"),
        ({"password": "${env:X}"}, "needs a username"),
        ({"url": "mqtt://192.0.2.1", "username": "u", "password": "${env:X}"}, "mqtts://"),
        ({"match": [_MATCH | {"topic": "z/+"}]}, "device"),
        ({"match": [_MATCH | {"metric": [_TEMPERATURE, _TEMPERATURE]}]}, "must differ; twice: temperature"),
        ({"match": [_MATCH | {"max_silence": 5}]}, "did you mean 'max_silence_s'"),
    ],
)
def test_config_faults_name_key_and_remedy(change: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        parse(_CONFIG | change, Config, "gateway.toml")
