"""Backlogs: what a hole in the live samples has hidden, and how it joins what goes on live."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from frostline_core.rules import HOLE_MS, Evaluator, Phase, Rule, Series, Staged, Track, Transition, parse
from frostline_core.rules.backlog import ABANDON_MS, JOIN_MS
from frostline_core.rules.hole import MOST_HOLES

ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature")
MINUTE = 60_000


def threshold(**keys: object) -> Rule:
    table = {"type": "threshold", "id": "r", "title": "R", "select": {"metric": "air_temperature"}, "above": 8.0}
    return parse({**table, **{key.rstrip("_"): value for key, value in keys.items()}}, "test")


class Bench:
    """One series under one rule, with minutes for times."""

    def __init__(self, rule: Rule | None = None, states: dict[str, Any] | None = None, last: float = -1) -> None:
        self.evaluator = Evaluator([rule or threshold()])
        self.slot = self.evaluator.bind(ROOM, states or {}, round(last * MINUTE) if last >= 0 else -1)
        self.clock = 0

    def see(self, *samples: tuple[float, float | None]) -> Bench:
        for minute, value in samples:
            self.evaluator.observe(self.slot, value, round(minute * MINUTE))
        return self

    def quiet(self, wait_ms: int = JOIN_MS) -> Bench:
        """Lets the clock say that nothing more comes."""
        start = max(self.clock, max(self.evaluator.last_ms))
        self.evaluator.advance(start)
        self.clock = start + wait_ms
        self.evaluator.advance(self.clock)
        return self

    def restarted(self) -> Bench:
        """Another process, with what SQL holds."""
        staged = self.evaluator.staged()
        states = {name: content for name, _, content in staged.states if content is not None}
        again = Bench.__new__(Bench)
        again.evaluator = Evaluator(self.evaluator.rules)
        again.slot = again.evaluator.bind(ROOM, states, self.evaluator.last_ms[self.slot])
        again.clock = self.clock
        return again

    @property
    def path(self) -> list[str]:
        """Track, phase and minute of each transition."""
        return [f"{t.track.value} {t.after.value}@{t.at_ms / MINUTE:g}" for t in self.evaluator.staged().transitions]


def test_an_excursion_in_a_hole_is_found_when_its_backlog_comes() -> None:
    bench = Bench().see((0, 5), (60, 5), (10, 5), (20, 9), (30, 9), (40, 5))

    assert bench.path == ["backlog firing@20", "backlog resolved@40"]


def test_the_live_alert_is_right_while_the_backlog_drains() -> None:
    bench = Bench().see((0, 5), (60, 9), (10, 5), (61, 5), (20, 5), (62, 9))

    assert bench.path == ["live firing@60", "live resolved@61", "live firing@62"]


def test_a_backlog_that_is_sent_again_says_nothing_new() -> None:
    backlog = ((10, 5), (20, 9), (30, 5))
    once, twice = Bench().see((0, 5), (60, 5), *backlog), Bench().see((0, 5), (60, 5), *backlog, *backlog)

    assert twice.path == once.path
    assert twice.evaluator.retroactive == 3


def test_live_samples_that_are_sent_again_open_nothing() -> None:
    bench = Bench(threshold(for_="1m")).see((0, 5), (0.2, 9), (0.4, 5), (0.1, 5), (0.2, 9), (0.3, 9))

    assert bench.path == ["live pending@0.2", "live ok@0.4"]


def test_what_was_seen_before_a_hole_is_not_backlog() -> None:
    bench = Bench().see((0, 5), (1, 9), (1.2, 5), (60, 5), (1, 9), (30, 9))

    assert bench.path == ["live firing@1", "live resolved@1.2", "backlog firing@30"]


def test_what_came_before_the_first_live_sample_is_backlog() -> None:
    assert Bench().see((60, 5), (10, 9), (20, 5)).path == ["backlog firing@10", "backlog resolved@20"]


def test_an_excursion_that_lasts_into_the_live_samples_is_one_incident() -> None:
    bench = Bench().see((0, 5), (60, 9), (50, 9), (55, 9)).quiet()

    assert bench.path == ["live firing@60", "backlog firing@50", "join firing@60"]


def test_the_time_that_counts_for_a_live_alert_begins_in_the_backlog() -> None:
    bench = Bench(threshold(for_="20m", max_gap="30m")).see((0, 5), (60, 9), (55, 9), (59, 9)).quiet()

    assert bench.path[:3] == ["live pending@60", "backlog pending@55", "join pending@60"]
    assert bench.see((75, 9)).path[-1] == "live firing@75"


def test_an_incident_of_the_backlog_takes_over_a_live_alert_that_has_not_fired() -> None:
    bench = Bench(threshold(for_="20m")).see((0, 5), (60, 9), (30, 9), (40, 9), (50, 9), (59, 9)).quiet()

    assert bench.path[-1] == "join firing@60"
    assert bench.evaluator.phases(bench.slot) == {"r": Phase.FIRING}


def test_an_incident_whose_live_part_is_over_ends_where_that_began() -> None:
    bench = Bench().see((0, 5), (60, 9), (61, 5), (55, 9)).quiet()

    assert bench.path == ["live firing@60", "live resolved@61", "backlog firing@55", "backlog resolved@60"]


def test_an_incident_whose_live_part_never_fired_ends_with_that() -> None:
    bench = Bench(threshold(for_="5m")).see((0, 5), (60, 9), (61, 5), (50, 9), (55, 9)).quiet()

    assert bench.path[-2:] == ["backlog firing@55", "backlog resolved@61"]


def test_an_incident_of_the_backlog_ends_with_a_good_live_sample() -> None:
    assert Bench().see((0, 5), (60, 5), (55, 9)).quiet().path == ["backlog firing@55", "backlog resolved@60"]


def test_a_backlog_that_stops_short_is_waited_for() -> None:
    bench = Bench().see((0, 5), (60, 5), (10, 9)).quiet()
    waiting = bench.path

    assert waiting == ["backlog firing@10"]
    bench.quiet(ABANDON_MS)
    assert bench.path[-1] == "backlog resolved@60"


def test_an_alert_that_was_open_before_the_hole_stays_the_live_one() -> None:
    bench = Bench().see((0, 9), (60, 9), (10, 9), (30, 9), (59, 9)).quiet()

    assert bench.path == ["live firing@0"]


def test_a_second_excursion_in_the_hole_is_an_incident_of_its_own() -> None:
    bench = Bench().see((0, 9), (60, 5), (10, 5), (20, 9), (30, 5)).quiet()

    assert bench.path == [
        "live firing@0",
        "live resolved@60",
        "backlog resolved@10",
        "backlog firing@20",
        "backlog resolved@30",
    ]


def test_the_silence_that_the_clock_noted_is_taken_back_for_the_backlog() -> None:
    bench = Bench(threshold(clear_for="5m"))
    bench.evaluator.advance(0)
    bench.see((0, 9), (1, 5))
    bench.evaluator.advance(50 * MINUTE)

    bench.see((60, 5), (6, 5), (11, 5), (20, 9), (30, 5), (35, 5))

    assert [each for each in bench.path if each.startswith("backlog")] == [
        "backlog resolved@11",
        "backlog firing@20",
        "backlog clearing@30",
        "backlog resolved@35",
    ]


def test_holes_and_what_was_found_in_them_survive_a_restart() -> None:
    bench = Bench(threshold(for_="15m")).see((0, 5), (60, 5), (10, 5), (20, 9), (29, 9)).restarted()

    assert bench.see((10, 9), (36, 9), (45, 5)).path == ["backlog firing@35", "backlog resolved@45"]


def test_a_hole_whose_backlog_was_joined_is_forgotten_in_sql_too() -> None:
    bench = Bench().see((0, 5), (60, 5), (55, 5))
    bench.evaluator.settle()

    bench.quiet()

    assert [(name, content) for name, _, content in bench.evaluator.staged().states] == [("~holes", None)]


def test_only_so_many_holes_are_remembered_and_the_shortest_makes_room() -> None:
    bench = Bench().see((0, 5))
    ends = [100, 110, 300, 301, 500]
    bench.see(*((end, 5.0) for end in ends))
    passed_over = bench.evaluator.retroactive

    bench.see((105, 9), (50, 9), (200, 9), (400, 9))

    assert len(ends) > MOST_HOLES
    assert bench.path == ["backlog firing@50", "backlog firing@200", "backlog firing@400"]
    assert bench.evaluator.retroactive == passed_over + 1


def test_a_rule_about_now_does_not_look_at_a_backlog() -> None:
    rule = parse({"type": "absence", "id": "a", "title": "A", "select": {"metric": "*"}, "max_silence": "15m"}, "test")
    bench = Bench(rule).see((0, 5))
    bench.evaluator.advance(0)
    bench.evaluator.advance(50 * MINUTE)

    assert bench.see((60, 5), (30, 5)).path == ["live firing@15", "live resolved@60"]


def test_what_a_removed_rule_has_found_is_resolved() -> None:
    before = Bench().see((0, 5), (60, 5), (10, 9))
    states = {name: content for name, _, content in before.evaluator.staged().states if content is not None}
    after = Evaluator([])
    after.bind(ROOM, states, 60 * MINUTE)

    after.advance(61 * MINUTE)

    assert [(t.track, t.after) for t in after.staged().transitions] == [(Track.BACKLOG, Phase.RESOLVED)]


# ---- properties ----
steps_s = st.sampled_from([5, 10, 20, 29])
slower = st.sampled_from([1, 4, 25])
values = st.sampled_from([5.0, 5.0, 7.5, 8.0, 8.5, 9.0, 12.0, None])
scripts = st.lists(st.tuples(steps_s, values), min_size=6, max_size=40)


@dataclass
class Book:
    """Incidents as people would see them: [fired, resolved], by the track that they are known under."""

    over: list[tuple[int, float]] = field(default_factory=list)
    open: dict[Track, int] = field(default_factory=dict)
    told: int = 0

    def read(self, transitions: tuple[Transition, ...]) -> Book:
        for each in transitions:
            if each.track is Track.JOIN:
                self._join()
            elif each.after is Phase.FIRING and each.track not in self.open:
                self.open[each.track] = each.at_ms
                self.told += 1
            elif each.after is Phase.RESOLVED and each.track in self.open:
                self.over.append((self.open.pop(each.track), each.at_ms))
        return self

    def _join(self) -> None:
        late, live = self.open.pop(Track.BACKLOG, None), self.open.get(Track.LIVE)
        if late is not None:
            self.open[Track.LIVE] = late if live is None else min(late, live)

    @property
    def spans(self) -> list[tuple[int, float]]:
        assert Track.BACKLOG not in self.open, "every hole was joined"
        return sorted([*self.over, *((start, float("inf")) for start in self.open.values())])


def shuffled(
    script: list[tuple[int, float | None]], cut: tuple[float, float, int], seed: int
) -> tuple[list[tuple[int, float | None]], list[tuple[int, float | None]]]:
    """The samples in order, and with a part of them late: each lane in order, some samples twice.

    Before the late part values are in range: an alert that is open then stays the live one, whatever the backlog says.
    """
    random, now, samples = Random(seed), 1000, []  # noqa: S311 - for a test
    first = 1 + int(cut[0] * (len(script) - 3))
    last = first + 1 + int(cut[1] * (len(script) - 2 - first))
    for number, (step, value) in enumerate(script):
        now += step * 1000 * (cut[2] if first <= number <= last else 1)
        samples.append((now, value))
    samples[:first] = [(at, 5.0) for at, _ in samples[:first]]
    early, late, live = samples[:first], samples[first:last], samples[last:]
    assume(live[0][0] - early[-1][0] >= HOLE_MS)
    mixed = [*early, live[0]]
    lanes = [live[1:], late]
    while any(lanes):
        lane = random.choice([lane for lane in lanes if lane])
        mixed.append(lane.pop(0))
        if random.random() < 0.2:
            mixed.append(random.choice(mixed))
    return samples, mixed


@given(
    scripts,
    st.tuples(st.floats(0, 0.99), st.floats(0, 0.99), slower),
    st.integers(0, 1000),
    st.sampled_from([0, 60, 600]),
    st.sampled_from([0, 60, 600]),
)
@example(
    [(5, 5.0)] * 5 + [(5, 8.5), (5, None), (29, 8.5), (29, 5.0)], (0.0, 0.75, 1), 0, 60, 0
)  # none at the hole's end
@example([(5, 5.0), (5, 5.0), (5, 8.5), (29, 8.5), (5, 8.5), (29, None)], (0.0, 0.5, 1), 0, 60, 0)
@example([(5, 5.0), (5, 8.5), (5, 8.5), (29, 8.5), (5, None), (10, 5.0)], (0.0, 0.0, 4), 0, 60, 0)
def test_late_samples_hide_nothing_invent_nothing_and_double_nothing(
    script: list[tuple[int, float | None]], cut: tuple[float, float, int], seed: int, for_s: int, clear_s: int
) -> None:
    rule = threshold(for_=for_s, clear_for=clear_s, hysteresis=0.0 if for_s else 1.0)  # pending only counts beyond
    in_order, mixed = shuffled(script, cut, seed)
    plain, late = Evaluator([rule]), Evaluator([rule])
    for evaluator, samples in ((plain, in_order), (late, mixed)):
        evaluator.bind(ROOM)
        for at, value in samples:
            evaluator.observe(0, value, at)
        evaluator.advance(in_order[-1][0])
        evaluator.advance(in_order[-1][0] + ABANDON_MS)

    wanted, found = Book().read(told(plain)).spans, Book().read(told(late)).spans

    for fired, resolved in wanted:
        assert any(start <= fired < end or fired <= start < resolved for start, end in found), "nothing is hidden"
    for start, end in found:
        assert any(fired < end and start < resolved for fired, resolved in wanted), "nothing is invented"
    for (_, end), (start, _) in pairwise(found):
        assert end <= start, "nothing is doubled"


def told(evaluator: Evaluator) -> tuple[Transition, ...]:
    return evaluator.staged().transitions


@given(scripts, st.tuples(st.floats(0, 0.99), st.floats(0, 0.99), slower), st.integers(0, 1000), st.floats(0, 1))
@example([(60, 5.0)] * 6, (0.0, 0.5, 4), 1, 0.5)
def test_a_backlog_that_is_taken_back_and_comes_again_leaves_the_same(
    script: list[tuple[int, float | None]], cut: tuple[float, float, int], seed: int, share: float
) -> None:
    _, mixed = shuffled(script, cut, seed)
    half = int(share * len(mixed))
    steady, failed = Evaluator([threshold(for_=60)]), Evaluator([threshold(for_=60)])
    for evaluator in (steady, failed):
        evaluator.bind(ROOM)
        for at, value in mixed[:half]:
            evaluator.observe(0, value, at)
        evaluator.settle()
    for at, value in mixed[half:]:
        failed.observe(0, value, at)

    failed.forget()

    assert failed.staged() == Staged((), ())
    for evaluator in (steady, failed):
        for at, value in mixed[half:]:
            evaluator.observe(0, value, at)
    assert told(failed) == told(steady)
