"""What a gap row is listed as: an entry for each reason, and never a count that is not the gap's own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from frostline_cloud.ingest.decode import Batch
from frostline_cloud.ingest.losses import noticed, of_span
from frostline_core.commit import BatchMark
from frostline_core.reading import Stream

RUN = 0xABCD << 48 | 7
BUDGET = {"reason": "spool budget", "samples": 5, "from_ms": 100, "to_ms": 900}
RAW = {"reason": "spool budget: raw identifications", "samples": 2, "from_ms": 200, "to_ms": 300}
WHOLE = {"reason": "spool budget", "samples": 7, "from_ms": 100, "to_ms": 900}


def batch(told: object) -> Batch:
    return Batch("hamburg", "gw-1", "", "topic", b"", [], [], json.dumps(told))


def gap(first: int, n: int) -> BatchMark:
    return BatchMark(RUN, Stream.SAMPLES, n, first, first, True)


def test_a_gap_of_one_reason_is_one_entry() -> None:
    (entry,) = of_span(batch(WHOLE), gap(3, 9), (3, 9, ""))
    assert (entry.first, entry.last, entry.reason, entry.samples, entry.from_ms, entry.to_ms) == (
        3,
        9,
        "spool budget",
        7,
        100,
        900,
    )


def test_a_gap_of_several_reasons_is_an_entry_for_each_with_the_same_numbers() -> None:
    entries = of_span(batch({**WHOLE, "parts": [BUDGET, RAW]}), gap(3, 9), (3, 9, ""))
    assert [(each.first, each.last) for each in entries] == [(3, 9), (3, 9)]
    assert [(each.reason, each.samples, each.from_ms, each.to_ms) for each in entries] == [
        ("spool budget", 5, 100, 900),
        ("spool budget: raw identifications", 2, 200, 300),
    ]


def test_of_a_gap_that_is_applied_in_part_nobody_knows_the_count() -> None:
    entries = of_span(batch({**WHOLE, "parts": [BUDGET, RAW]}), gap(3, 9), (5, 9, ""))
    assert [(each.first, each.last, each.samples) for each in entries] == [(5, 9, None), (5, 9, None)]


@pytest.mark.parametrize("parts", [[], [BUDGET], [BUDGET] * 17, [BUDGET, "x"], "x", 7])
def test_parts_that_make_no_sense_leave_the_whole(parts: object) -> None:
    (entry,) = of_span(batch({**WHOLE, "parts": parts}), gap(3, 9), (3, 9, ""))
    assert (entry.reason, entry.samples) == ("spool budget", 7)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "7", '{"reason": ' + "[" * 100_000])
def test_a_gap_that_is_no_such_json_has_its_numbers_all_the_same(text: str) -> None:
    told = replace(batch({}), gap=text)
    (entry,) = of_span(told, gap(3, 9), (3, 9, "lost"))
    assert (entry.first, entry.last, entry.reason) == (3, 9, "lost")
    assert noticed(told) == []


@pytest.mark.parametrize("count", ["NaN", "Infinity", "1e300", "true", "9" * 30])
def test_a_count_that_is_no_number_is_not_known(count: str) -> None:
    told = replace(batch({}), gap=f'{{"reason": "r", "samples": {count}, "from_ms": 1, "to_ms": 2}}')
    (entry,) = noticed(told)
    assert (entry.samples, entry.from_ms, entry.to_ms) == (None, 1, 2)


def test_a_long_reason_is_cut() -> None:
    (entry,) = noticed(batch({**WHOLE, "reason": "x" * 100_000}))
    assert 100 < len(entry.reason) < 1_000


def test_what_a_restored_host_forgot_has_its_own_reason() -> None:
    (entry,) = of_span(batch(WHOLE), gap(3, 9), (1, 2, "host state restored"))
    assert (entry.first, entry.last, entry.reason, entry.samples) == (1, 2, "host state restored", None)
