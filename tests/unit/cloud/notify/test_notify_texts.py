"""Texts in three languages, and the operator's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.notify.stage import Stage, stage_of
from frostline_cloud.notify.texts import BUILT_IN, FIELDS, Catalogue, parse_template
from frostline_core.errors import ConfigError
from frostline_edge import profiles
from tests.support.notices import body

TEXTS = Catalogue.read()
DIGEST = {
    "type": "alert.digest",
    "id": "dig_1",
    "timestamp": "2026-01-31T12:00:00.000Z",
    "count": 7,
    "incidents": 2,
    "severity": "warning",
    "by_rule": [{"name": "Freezer too warm", "count": 2}],
    "by_site": [{"name": "hamburg", "count": 2}],
    "items": [body(), body(type="alert.resolved", incident={"severity": "warning"})],
}
GROUP: dict[str, Any] = {
    "type": "alert.group",
    "id": "grp_1",
    "timestamp": "2026-01-31T12:00:00.000Z",
    "group": {"id": "grp_0", "route": "fish", "by": {"site": "hamburg", "label.product": "fish"}},
    "severity": "critical",
    "repeated": False,
    "last_told_at": "2026-01-31T11:00:00.000Z",
    "counts": {"fired": 61, "worse": 0, "escalated": 0, "resolved": 1, "firing": 0},
    "fired": [body()],
    "worse": [],
    "escalated": [],
    "resolved": [body(type="alert.resolved", incident={"resolved_at": "2026-01-31T12:30:00.000Z"})],
    "firing": [],
}
BY_STAGE: dict[Stage, dict[str, Any]] = {
    Stage.FIRING: body(),
    Stage.UPDATED: body(type="alert.updated"),
    Stage.ESCALATED: body(type="alert.escalated", escalation={"route": "r", "step": 2, "after_s": 1800}),
    Stage.RESOLVED: body(type="alert.resolved", incident={"resolved_at": "2026-01-31T13:05:00.000Z"}),
    Stage.RETROACTIVE: body(incident={"retroactive": True}),
    Stage.NO_DATA: body(value=None),
    Stage.DIGEST: DIGEST,
    Stage.GROUP: GROUP,
}


@pytest.mark.parametrize("stage", Stage)
def test_a_body_tells_its_stage(stage: Stage) -> None:
    assert stage_of(BY_STAGE[stage]) is stage


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("language", BUILT_IN)
def test_every_stage_has_a_text_in_every_language(language: str, stage: Stage) -> None:
    text = TEXTS.render(BY_STAGE[stage], "duty", language, "Asia/Shanghai")

    assert text.subject
    assert "hamburg" in text.body
    assert not re.search(r"[{}]|None|:\s*$|\uff1a\s*$", text.body + text.subject, re.MULTILINE)


@pytest.mark.parametrize("stage", Stage)
def test_each_chinese_says_its_own_words(stage: Stage) -> None:
    texts = {TEXTS.render(BY_STAGE[stage], "duty", language, "UTC").subject for language in BUILT_IN}

    assert len(texts) == 3 if stage is not Stage.DIGEST else len(texts) >= 2


def test_a_group_says_how_many_of_each_there_are_and_lists_them() -> None:
    text = TEXTS.render(GROUP, "duty", "en", "UTC")

    assert text.subject == "[critical] site hamburg, product fish: 61 new, 1 over"
    lines = text.body.split("\n")
    assert lines[:3] == [
        "New (61)",
        "- 2026-01-31 12:00 UTC  fired [critical] Freezer too warm: "
        "hamburg room-1 air temperature -12.5 °C (limit -15 °C)",
        "+ 60",
    ]
    assert "Over (1)" in lines
    assert "(30 min)" in text.body
    assert "Worse" not in text.body


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "Since: 2026-01-31 12:00 UTC"),
        ("Europe/Berlin", "Since: 2026-01-31 13:00 CET (12:00 UTC)"),
        ("Asia/Shanghai", "Since: 2026-01-31 20:00 CST (12:00 UTC)"),
        ("Pacific/Auckland", "Since: 2026-02-01 01:00 NZDT (2026-01-31 12:00 UTC)"),
    ],
)
def test_times_are_the_readers_with_utc_beside_them(zone: str, shown: str) -> None:
    assert shown in TEXTS.render(body(), "duty", "en", zone).body


def test_a_value_has_its_units_symbol() -> None:
    text = TEXTS.render(body(value=4.25, limit=3, unit="bar"), "duty", "en", "UTC").body

    assert "Measured: 4.25 bar" in text
    assert "Limit: 3 bar" in text


def test_how_long_it_lasted_is_told() -> None:
    assert "Lasted: 1 h 5 min" in TEXTS.render(BY_STAGE[Stage.RESOLVED], "duty", "en", "UTC").body


def test_a_step_of_escalation_says_how_long_nobody_took_note() -> None:
    assert "for 30 min. This is step 2." in TEXTS.render(BY_STAGE[Stage.ESCALATED], "duty", "en", "UTC").body


def test_a_line_about_nothing_is_left_out() -> None:
    text = TEXTS.render(body(limit=None, series={"zone": ""}), "duty", "en", "UTC").body

    assert "Limit" not in text
    assert "Zone" not in text


def test_the_link_is_there_only_where_there_is_one() -> None:
    with_link = TEXTS.render(body(acknowledge_url="https://f.example/acknowledge/x"), "duty", "en", "UTC").body

    assert "Take note: https://f.example/acknowledge/x" in with_link
    assert "Take note" not in TEXTS.render(body(), "duty", "en", "UTC").body


def test_the_alerts_page_is_in_every_text_of_one_alert() -> None:
    for language in BUILT_IN:
        for stage in set(Stage) - {Stage.DIGEST, Stage.GROUP}:
            told = BY_STAGE[stage] | {"alert_url": "https://f.example/alerts/x"}
            assert "https://f.example/alerts/x" in TEXTS.render(told, "duty", language, "UTC").body


@pytest.mark.parametrize("language", BUILT_IN)
@pytest.mark.parametrize("stage", [Stage.DIGEST, Stage.GROUP])
def test_a_message_of_many_has_its_links_before_its_list(language: str, stage: Stage) -> None:
    """Chats cut what is long at its end."""
    urls = {"alerts_url": "https://f.example/alerts", "acknowledge_url": "https://f.example/acknowledge/x"}
    text = TEXTS.render(BY_STAGE[stage] | urls, "duty", language, "UTC").body

    assert -1 < text.index(urls["acknowledge_url"]) < text.index("room-1")
    assert -1 < text.index(urls["alerts_url"]) < text.index("room-1")


@pytest.mark.parametrize(("count", "shown"), [(10, 10), (11, 0)])
def test_of_a_few_alerts_each_has_its_page_beside_it(count: int, shown: int) -> None:
    fired = [body(alert_url=f"https://f.example/alerts/{number}") for number in range(count)]
    parts = {"fired": fired, "resolved": [], "counts": GROUP["counts"] | {"fired": count, "resolved": 0}}
    text = TEXTS.render(GROUP | parts, "duty", "en", "UTC").body

    assert text.count("https://f.example/alerts/") == shown
    assert text.count("\n- ") == count
    assert "+ " not in text


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_txt", ".txt").replace("_toml", ".toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_text_of_the_operators_takes_the_place_of_ours(tmp_path: Path) -> None:
    texts = Catalogue.read(write(tmp_path, en__firing_txt="Call {device}\n\nnow"))

    assert texts.render(body(), "duty", "en", "UTC").subject == "Call room-1"
    assert "It is over" in texts.render(BY_STAGE[Stage.RESOLVED], "duty", "en", "UTC").body


def test_a_receivers_own_text_comes_first(tmp_path: Path) -> None:
    texts = Catalogue.read(write(tmp_path, duty__en__firing_txt="Duty: {device}"), ["duty"])

    assert texts.render(body(), "duty", "en", "UTC").subject == "Duty: room-1"
    assert texts.render(body(), "other", "en", "UTC").subject.startswith("[critical]")


def test_words_may_be_the_operators_too(tmp_path: Path) -> None:
    texts = Catalogue.read(write(tmp_path, en__words_toml='[severity]\ncritical = "RED"'))

    assert texts.render(body(), "duty", "en", "UTC").subject.startswith("[RED] fired")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"en__firing_txt": "Hot\n\n\n{devise}"},
            r"firing\.txt:4: unknown field \{devise\} \(did you mean 'device'\?\)",
        ),
        ({"en__firing_txt": "\nHot"}, r"firing\.txt:1: the first line is the subject"),
        ({"en__firing_txt": "{device!r}"}, r"firing\.txt:1: \{device\}: a field has no format"),
        ({"en__firing_txt": "{value:.1f}"}, "has no format"),
        ({"en__firing_txt": "{incident.__class__}"}, "unknown field"),
        ({"en__firing_txt": "open {"}, r"firing\.txt:1: .*a brace that is meant"),
        ({"en__fired_txt": "Hot"}, r"fired\.txt: is no text that is used"),
        ({"en__resolve_txt": "Hot"}, r"did you mean 'resolved\.txt'\?"),
        ({"en__digest_txt": "{device}"}, r"digest\.txt:1: unknown field"),
        ({"en__words_toml": '[severity]\ncritcal = "X"'}, r"severity\.critcal: unknown word \(did you mean"),
        ({"en__words_toml": "= 1"}, "is not valid TOML"),
        ({"stray_txt": "x"}, "only folders belong here"),
        ({"en__firing_txt": "x" * 30_000}, "longer than"),
    ],
)
def test_a_faulty_text_is_refused_at_the_start_with_its_place(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Catalogue.read(write(tmp_path, **files))


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Catalogue.read(write(tmp_path, en__firing_txt="{a}\n{b}", en__resolved_txt="{c}"))

    assert len(str(caught.value).splitlines()) == 3


def test_a_language_of_ones_own_needs_every_text(tmp_path: Path) -> None:
    texts = Catalogue.read(write(tmp_path, de__firing_txt="Zu warm: {device}"))

    with pytest.raises(ConfigError, match=r"the language de lacks .*resolved\.txt.*words\.toml"):
        texts.check("de", "receiver 'duty'")


def test_a_word_that_a_language_of_ones_own_lacks_is_english(tmp_path: Path) -> None:
    files = {f"de__{stage.value}_txt": "{severity}" for stage in set(Stage) - {Stage.GROUP, Stage.DIGEST}}
    files |= {"de__group_txt": "{counts}", "de__digest_txt": "{by_rule}"}
    texts = Catalogue.read(write(tmp_path, **files, de__words_toml='[part]\nfired = "neue"'))

    assert texts.render(GROUP, "duty", "de", "UTC").subject == "61 neue, 1 over"


names = st.sampled_from(sorted(FIELDS))


@given(
    st.lists(st.one_of(names.map(lambda name: f"{{{name}}}"), st.text(max_size=10)), max_size=12),
    st.dictionaries(names, st.text(max_size=20)),
)
def test_a_template_that_is_accepted_can_be_filled_in(parts: list[str], given_: dict[str, str]) -> None:
    fields = dict.fromkeys(FIELDS, "") | given_
    try:
        template = parse_template("Subject\n" + "".join(parts), FIELDS, "t")
    except ConfigError:
        return

    text = template.render(fields)

    assert "\n" not in text.subject


def test_no_field_can_add_a_line_to_the_subject() -> None:
    text = TEXTS.render(body(series={"device": "a\r\nBcc: eve@example.com"}), "duty", "en", "UTC")

    assert "\n" not in text.subject
    assert "\r" not in text.subject


def test_a_long_subject_is_cut() -> None:
    assert len(TEXTS.render(body(rule={"title": "x" * 500}), "duty", "en", "UTC").subject) == 200


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("air_temperature", ("air temperature", "空气温度", "空氣溫度")),
        ("voltage_l2", ("voltage L2", "L2 相电压", "L2 相電壓")),
        ("compressor_3_running", ("compressor 3 running", "3 号压缩机运行", "3 號壓縮機運轉")),
        ("count_04012345000016", ("count of 04012345000016", "04012345000016 的数量", "04012345000016 的數量")),
        (
            "air_temperature_buffered",
            ("air temperature (buffered)", "空气温度\uff08缓冲值\uff09", "空氣溫度\uff08緩衝值\uff09"),
        ),
        ("glycol_level_2", ("glycol level 2", "glycol level 2", "glycol level 2")),  # nobody here knows it
    ],
)
def test_a_metric_is_named_as_people_say_it(metric: str, said: tuple[str, str, str]) -> None:
    shown = [TEXTS.render(body(series={"metric": metric}), "duty", language, "UTC").body for language in BUILT_IN]

    lines = ("Metric: ", "指标\uff1a", "指標\uff1a")
    for text, begins, name in zip(shown, lines, said, strict=True):
        assert f"\n{begins}{name}\n" in text


def test_every_metric_and_kind_has_words_in_both_chineses() -> None:
    named = [
        {name for name in TEXTS.words[language] if name.startswith(("metric.", "kind."))} for language in BUILT_IN[1:]
    ]
    assert named[0] == named[1]


def test_every_metric_of_every_profile_has_chinese_words() -> None:
    points = {point.name for name in profiles.names() for point in profiles.load(name).points}
    spoken = {name: TEXTS.render(body(series={"metric": name}), "duty", "zh-Hans", "UTC").body for name in points}

    assert [name for name, text in sorted(spoken.items()) if not re.search("指标\uff1a.*[\u4e00-\u9fff]", text)] == []


def test_an_operator_names_metrics_of_their_own(tmp_path: Path) -> None:
    texts = Catalogue.read(write(tmp_path, en__words_toml='[metric]\nglycol_level = "glycol in the tank"\n'))

    assert "Metric: glycol in the tank" in texts.render(body(series={"metric": "glycol_level"}), "d", "en", "UTC").body


def test_a_group_by_kind_and_metric_says_both_as_people_do() -> None:
    by = {"kind": "cold_room", "metric": "door_open"}
    group = GROUP | {"group": GROUP["group"] | {"by": by}}

    assert TEXTS.render(group, "duty", "en", "UTC").subject.startswith("[critical] kind cold room, metric door open:")
    assert "类型 冷库\uff0c指标 门开启" in TEXTS.render(group, "duty", "zh-Hans", "UTC").subject


def test_a_template_may_use_the_name_as_rules_have_it(tmp_path: Path) -> None:
    texts = Catalogue.read(write(tmp_path, en__firing_txt="{metric_name}"))

    assert texts.render(body(), "duty", "en", "UTC").subject == "air_temperature"
