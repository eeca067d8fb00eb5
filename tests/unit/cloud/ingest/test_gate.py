"""The gate between store, SQL and STATE."""

from __future__ import annotations

from frostline_cloud.ingest.gate import PersistGate


def gate() -> PersistGate:
    return PersistGate(offline_after_s=10, online_after_s=30)


def test_first_success_opens_at_once() -> None:
    subject = gate()
    assert subject.succeeded(0)
    assert subject.open


def test_first_failure_keeps_it_closed_and_says_why() -> None:
    subject = gate()
    assert not subject.failed(0, "disk is full")
    assert not subject.open
    assert subject.reason == "disk is full"


def test_short_failures_do_not_close_it() -> None:
    subject = gate()
    subject.succeeded(0)
    assert not subject.failed(1_000, "busy")
    assert not subject.failed(10_900, "busy")
    subject.succeeded(11_000)
    assert not subject.failed(20_000, "busy"), "the count starts anew after a success"
    assert subject.open


def test_failing_for_ten_seconds_closes_it_once() -> None:
    subject = gate()
    subject.succeeded(0)
    subject.failed(1_000, "busy")
    assert subject.failed(11_000, "busy")
    assert not subject.failed(12_000, "busy")
    assert not subject.open


def test_an_attempt_that_hangs_counts_from_its_start() -> None:
    subject = gate()
    subject.succeeded(0)
    assert subject.failed(11_000, "no answer", since_ms=1_000)
    assert not subject.open


def test_it_opens_again_only_after_thirty_seconds_of_success() -> None:
    subject = gate()
    subject.failed(0, "down")
    assert not subject.succeeded(1_000)
    assert not subject.succeeded(30_900)
    assert subject.succeeded(31_000)


def test_a_failure_among_successes_starts_the_thirty_seconds_anew() -> None:
    subject = gate()
    subject.failed(0, "down")
    subject.succeeded(1_000)
    subject.failed(20_000, "down")
    assert not subject.succeeded(31_000)
    assert not subject.succeeded(60_000)
    assert subject.succeeded(61_000)


def test_from_a_failure_to_a_success_or_the_closing_it_is_in_doubt() -> None:
    subject = gate()
    subject.succeeded(0)
    assert not subject.failing
    subject.failed(1_000, "busy")
    assert subject.failing
    subject.succeeded(2_000)
    assert not subject.failing
    subject.failed(3_000, "busy")
    subject.failed(13_000, "busy")
    assert not subject.failing, "closed: no longer a doubt"
