"""Topics and STATE payloads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError, ProtocolError
from frostline_core.sparkplug import MessageType, StatePayload, Topic, check_id, parse_topic, state_topic

IDS = st.text(
    st.characters(codec="utf-8", exclude_characters="+/#", exclude_categories=["Cc"]), min_size=1, max_size=20
)
KINDS = st.sampled_from([kind for kind in MessageType if kind is not MessageType.STATE])


@given(KINDS, IDS, IDS, IDS)
def test_topics_come_back_as_they_were__topic_structure(kind: MessageType, group: str, node: str, device: str) -> None:
    topic = Topic(kind, group, node, device if kind.startswith("D") else "")
    assert parse_topic(str(topic)) == topic


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        (Topic(MessageType.NBIRTH, "site", "gw"), "spBv1.0/site/NBIRTH/gw"),
        (Topic(MessageType.DDATA, "site", "gw", "room-1"), "spBv1.0/site/DDATA/gw/room-1"),
        (Topic(MessageType.STATE, "", "frostline"), "spBv1.0/STATE/frostline"),
    ],
)
def test_the_text_of_a_topic__topic_structure_namespace_a(topic: Topic, text: str) -> None:
    assert str(topic) == text
    assert parse_topic(text) == topic


@given(st.text(max_size=60))
def test_any_text_is_a_topic_or_a_protocol_error(text: str) -> None:
    try:
        parse_topic(text)
    except ProtocolError as error:
        assert str(error)


@pytest.mark.parametrize(
    "text",
    [
        "spBv1.0/site/NBIRTH/gw/room",  # topic-structure-namespace-device-id-non-associated-message-types
        "spBv1.0/site/DDATA/gw",  # topic-structure-namespace-device-id-associated-message-types
        "spAv1.0/site/NBIRTH/gw",
        "spBv1.0/site/NOTHING/gw",
        "spBv1.0//NBIRTH/gw",
        "spBv1.0/site/NBIRTH/",
        "spBv1.0/STATE",
        "STATE/frostline",
        "",
    ],
)
def test_a_topic_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="topic"):
        parse_topic(text)


@pytest.mark.parametrize("text", ["", "a+b", "a/b", "#", "a\0", "\ud800", "x" * 257])
@pytest.mark.parametrize("what", ["group", "node", "device"])
def test_an_id_with_reserved_characters_is_refused__topic_structure_namespace_valid_group_id(
    text: str, what: str
) -> None:
    with pytest.raises(ConfigError, match=what):
        check_id(text, what)


def test_ids_may_hold_any_other_utf8__topic_structure_namespace_valid_device_id() -> None:
    assert check_id("Kühlraum 1 (Süd)", "device") == "Kühlraum 1 (Süd)"


def test_state_topic__host_topic_phid_birth_topic() -> None:
    assert state_topic("frostline") == "spBv1.0/STATE/frostline"


@given(st.booleans(), st.integers(0, 2**63 - 1))
def test_state_payloads_come_back_as_they_were__host_topic_phid_birth_payload(online: bool, at_ms: int) -> None:
    state = StatePayload(online, at_ms)
    assert StatePayload.decode(state.encode()) == state


def test_a_state_payload_is_json_with_two_keys__payloads_state_birth_payload() -> None:
    assert StatePayload(True, 7).encode() == b'{"online": true, "timestamp": 7}'


@pytest.mark.parametrize(
    "raw",
    [b"ONLINE", b"", b"[]", b'{"online": 1, "timestamp": 1}', b'{"online": true}', b'{"online": true, "timestamp": -1}',
     b'{"online": true, "timestamp": true}', b"\xff", b"[" * 4000, b" " * 5000],
)  # fmt: skip
def test_another_state_payload_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError, match="STATE"):
        StatePayload.decode(raw)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_state_or_a_protocol_error(raw: bytes) -> None:
    try:
        StatePayload.decode(raw)
    except ProtocolError as error:
        assert str(error)
