"""LLRP messages and scan behaviours: what we send reads right to an independent decoder, what it sends to us."""

from __future__ import annotations

import pytest
from llrpkit.emulator import LLRPEmulator
from llrpkit.protocol import LLRPMessage, decode_message, enums, params
from llrpkit.protocol import messages as theirs

from frostline_core.errors import ConfigError, ProtocolError
from frostline_edge.drivers.llrp import messages
from frostline_edge.drivers.llrp.behaviours import Behaviour, scan
from frostline_edge.drivers.llrp.messages import Capabilities, Kind, Notice, RfMode, Scan
from frostline_edge.drivers.llrp.wire import HEAD_BYTES, message


def _body(sent: LLRPMessage) -> bytes:
    return bytes(sent.to_bytes(message_id=7))[HEAD_BYTES:]


def test_the_rospec_says_what_the_scan_says() -> None:
    asked = Scan(antennas=(1, 3), session=1, population=64, mode=1002, power_index=17, hop_table=1)
    found = decode_message(message(Kind.ADD_ROSPEC, 1, messages.add_rospec(asked)))
    assert isinstance(found, theirs.ADD_ROSPEC)
    inventory = found.ro_spec.spec_parameters[0]
    assert isinstance(inventory, params.AISpec)
    settings = inventory.inventory_parameter_specs[0].antenna_configurations[0]
    command = settings.air_protocol_inventory_command_settings[0]
    assert isinstance(command, params.C1G2InventoryCommand)
    control, rf, power = command.c1_g2_singulation_control, command.c1_g2_rf_control, settings.rf_transmitter
    assert control is not None and rf is not None and power is not None
    assert list(inventory.antenna_ids) == [1, 3]
    assert (control.session, control.tag_population, rf.mode_index) == (1, 64, 1002)
    assert (power.hop_table_id, power.transmit_power) == (1, 17)


def test_the_rospec_asks_for_each_read_with_antenna_signal_and_count() -> None:
    found = decode_message(message(Kind.ADD_ROSPEC, 1, messages.add_rospec(Scan((1,), 0, 16))))
    assert isinstance(found, theirs.ADD_ROSPEC) and found.ro_spec.ro_report_spec is not None
    report = found.ro_spec.ro_report_spec
    content = report.tag_report_content_selector
    assert (report.ro_report_trigger, report.n) == (enums.ROReportTriggerType.Upon_N_Tags_Or_End_Of_ROSpec, 1)
    assert (content.enable_antenna_id, content.enable_peak_rssi, content.enable_tag_seen_count) == (True, True, True)
    assert not content.enable_ro_spec_id


def test_the_reader_is_told_to_keep_alive_and_to_tell_of_antennas() -> None:
    found = decode_message(message(Kind.SET_READER_CONFIG, 1, messages.set_config(10)))
    assert isinstance(found, theirs.SET_READER_CONFIG)
    assert found.keepalive_spec is not None and found.reader_event_notification_spec is not None
    assert found.keepalive_spec.periodic_trigger_value == 10_000
    wanted = {
        state.event_type: state.notification_state
        for state in found.reader_event_notification_spec.event_notification_states
    }
    assert wanted[enums.NotificationEventType.Antenna_Event]
    assert found.events_and_reports is not None and not found.events_and_reports.hold_events_and_reports_upon_reconnect


def test_capabilities_of_an_independent_encoder_read_the_same() -> None:
    body = _body(LLRPEmulator(antenna_count=4, firmware="1.2")._capabilities_response())
    found = messages.capabilities(body)
    assert (found.antennas, found.firmware, found.hop_table, found.holds_reports) == (4, "1.2", 1, True)
    assert found.powers_dbm[0] == (1, 10.0) and found.powers_dbm[-1] == (21, 30.0)
    assert found.modes[3] == RfMode(3, 3, 170_600)


def test_a_refusal_keeps_the_readers_words() -> None:
    body = _body(
        theirs.ADD_ROSPEC_RESPONSE(
            llrp_status=params.LLRPStatus(
                status_code=enums.StatusCode.M_FieldError, error_description="no such hop table"
            )
        )
    )
    assert messages.status(body) == messages.Status(101, "no such hop table")


def test_an_answer_without_status_is_no_success() -> None:
    with pytest.raises(ProtocolError, match="without a status"):
        messages.status(b"")


def test_disconnected_antennas_are_those_that_the_reader_names() -> None:
    body = _body(
        theirs.GET_READER_CONFIG_RESPONSE(
            llrp_status=params.LLRPStatus(status_code=enums.StatusCode.M_Success),
            antenna_properties=[
                params.AntennaProperties(antenna_connected=port != 2, antenna_id=port, antenna_gain=0)
                for port in (1, 2, 3)
            ],
        )
    )
    assert messages.disconnected(body) == {2}


def _notice(**event: object) -> Notice:
    data = params.ReaderEventNotificationData(timestamp=params.UTCTimestamp(microseconds=1), **event)  # type: ignore[arg-type]
    return messages.notice(_body(theirs.READER_EVENT_NOTIFICATION(reader_event_notification_data=data)))


def test_notices_say_what_the_driver_acts_on() -> None:
    busy = enums.ConnectionAttemptStatusType.Failed_A_Client_Initiated_Connection_Already_Exists
    assert _notice(connection_attempt_event=params.ConnectionAttemptEvent(status=busy)) == Notice(connection=2)
    assert _notice(connection_close_event=params.ConnectionCloseEvent()) == Notice(closed=True)
    unplugged = params.AntennaEvent(event_type=enums.AntennaEventType.Antenna_Disconnected, antenna_id=3)
    assert _notice(antenna_event=unplugged) == Notice(antenna=3, antenna_connected=False)
    ended = params.ROSpecEvent(event_type=enums.ROSpecEventType.End_Of_ROSpec, ro_spec_id=1, preempting_ro_spec_id=0)
    assert _notice(ro_spec_event=ended) == Notice(stopped=1)
    assert _notice(reader_exception_event=params.ReaderExceptionEvent(message="too hot")) == Notice(trouble="too hot")
    assert _notice(hopping_event=params.HoppingEvent(hop_table_id=1, next_channel_index=2)) == Notice()


_CAN = Capabilities(
    antennas=4,
    powers_dbm=((1, 10.0), (2, 20.0), (3, 30.0)),
    modes=(RfMode(0, 0, 640_000), RfMode(3, 3, 170_600), RfMode(2, 2, 274_000)),
    hop_table=1,
)


def test_behaviours_choose_from_what_the_reader_can_do() -> None:
    assert [scan(each, (1,), None, _CAN).mode for each in Behaviour] == [0, None, 3]


def test_no_behaviour_lets_tags_fall_silent() -> None:
    assert all(scan(each, (1,), None, _CAN).session in (0, 1) for each in Behaviour)


def test_power_is_the_next_step_below() -> None:
    assert scan(Behaviour.NORMAL, (1,), 29.9, _CAN).power_index == 2


@pytest.mark.parametrize(("antennas", "power"), [((5,), None), ((1,), 9.0)])
def test_what_the_reader_cannot_do_is_an_error_of_the_config(antennas: tuple[int, ...], power: float | None) -> None:
    with pytest.raises(ConfigError):
        scan(Behaviour.NORMAL, antennas, power, _CAN)
