"""docs/sparkplug.md lists every assertion of the specification: proved by tests that exist, or not, with the reason."""

from __future__ import annotations

from tests.support.sparkplug_list import assertions, claims, exceptions, listed, proved


def test_each_assertion_has_a_test_or_a_reason() -> None:
    assert [each for each in assertions() if each not in claims() and each not in exceptions()] == []


def test_what_is_excepted_is_an_assertion_that_no_test_proves() -> None:
    assert [each for each in exceptions() if each in claims() or each not in assertions()] == []


def test_the_tables_of_checks_name_assertions_that_exist() -> None:
    dashed = [each for each in claims() if "-" in each]
    assert [each for each in dashed if each not in assertions()] == []


def test_the_list_in_the_document_is_the_present_one() -> None:
    assert listed() == proved(), "python -m tests.support.sparkplug_list writes it anew"
