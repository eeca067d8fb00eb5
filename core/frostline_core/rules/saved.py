"""What SQL holds of a series: as the evaluator stages it, and as it is taken back. Pure.

    "freezer-warm"  a rule's `State`; with `of`, what its memory means, where there is one
    "~holes"        the holes, with `of` for each rule that has a memory in one
    "~inputs"       what the series' watches say

A memory is of use only to a rule that counts the same: where a rule was changed so that it counts otherwise, or became
one of another kind, its memory is dropped, and its phase stays. States without `of` are of an earlier release, which
wrote none, and are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from frostline_core.rules.hole import Hole
from frostline_core.rules.ledger import HOLES
from frostline_core.rules.state import State

_OF = "of"

Row = dict[str, Any] | None
Saved = Mapping[str, Mapping[str, Any]]
"""By the names above."""


def marked(name: str, content: dict[str, Any] | None, keys_of: Callable[[], Mapping[str, str]]) -> Row:
    """A row with what its memories mean.

    Args:
        name: Of the row.
        content: The row; None where it is to be deleted.
        keys_of: Gives `Rule.memory_key` of the rules that are bound to the series; most rows do not ask.
    """
    if content is None or not (name == HOLES or "memory" in content):
        return content
    if name != HOLES:
        keys = keys_of()
        return {**content, _OF: keys[name]} if name in keys else content
    held = {rule for hole in content["holes"] for rule in (*hole.get("states", ()), *hole.get("begun", ()))}
    if not held:  # nearly always: asking would look at every rule of a series that was silent for a minute
        return content
    keys = keys_of()
    found = {rule: keys[rule] for rule in sorted(held) if rule in keys}
    return {**content, _OF: found} if found else content


def states_of(saved: Saved, keys: Mapping[str, str]) -> dict[str, State]:
    """The states of rules, without memories that mean something else.

    Raises:
        ValueError: A state was not written by this package.
    """
    found = {name: State.from_json(entry) for name, entry in saved.items() if name[0] != "~"}
    strange = [name for name in found if _is_strange(saved[name].get(_OF), keys.get(name))]
    return {**found, **{name: replace(found[name], memory={}) for name in strange}}


def holes_of(saved: Saved, keys: Mapping[str, str]) -> list[Hole]:
    """The holes, without memories that mean something else.

    Raises:
        ValueError: A hole was not written by this package.
    """
    entry = saved.get(HOLES)
    if entry is None:
        return []
    holes = [Hole.from_json(each) for each in entry["holes"]]
    of = entry.get(_OF, {})
    strange = {rule for rule in of if _is_strange(of[rule], keys.get(rule))}
    for hole in holes if strange else ():
        hole.states = _without_memory(hole.states, strange)
        hole.begun = {rule: state for rule, state in hole.begun.items() if rule not in strange}
    return holes


def _is_strange(written: str | None, bound: str | None) -> bool:
    return written is not None and bound is not None and written != bound


def _without_memory(states: Mapping[str, State], rules: Iterable[str]) -> dict[str, State]:
    return {**states, **{rule: replace(states[rule], memory={}) for rule in rules if rule in states}}
