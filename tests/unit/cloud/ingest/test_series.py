"""The series table: forms of rows are remembered, and there is an end to that; what transitions say of a series."""

from __future__ import annotations

from itertools import combinations

from frostline_cloud.ingest.series import SeriesTable
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.rules import Evaluator, parse
from frostline_core.sparkplug import BoundMetric, Metrics, NodeView, topics

NAMES = ("a", "b", "c", "d")
WARM = parse(
    {"type": "threshold", "id": "w", "title": "W", "severity": "info", "select": {"metric": "a"}, "above": 8}, "t"
)
TOPIC = topics.parse("spBv1.0/site/DDATA/gw/room")


def made(most_forms: int) -> tuple[SeriesTable, dict[str, BoundMetric]]:
    description = DeviceDescription(
        "room", "cold_room", "", tuple(MetricDescription(n, DataType.DOUBLE) for n in NAMES)
    )
    view = NodeView("site", "gw")
    bound = {each.name: BoundMetric("room", each, alias) for alias, each in enumerate(description.metrics)}
    view.by_name = {("room", name): each for name, each in bound.items()}
    table = SeriesTable(Evaluator([]), most_forms)
    table.bind(view, description, {}, {})
    return table, bound


def form_of(table: SeriesTable, bound: dict[str, BoundMetric], names: tuple[str, ...]) -> object:
    plan = table.plan(Metrics(TOPIC, tuple(bound[name] for name in names)))
    assert plan is not None
    return plan.form


def test_the_same_selection_of_metrics_has_one_form() -> None:
    table, bound = made(most_forms=10)
    assert form_of(table, bound, ("a", "b")) is form_of(table, bound, ("a", "b"))


def test_forms_beyond_the_bound_are_not_kept() -> None:
    table, bound = made(most_forms=3)
    first = form_of(table, bound, NAMES)
    for pair in list(combinations(NAMES, 2))[:3]:
        form_of(table, bound, pair)
    assert form_of(table, bound, NAMES) is not first


def test_a_transition_has_the_unit_of_the_newest_birth() -> None:
    evaluator = Evaluator([WARM])
    table = SeriesTable(evaluator)
    view = NodeView("site", "gw")
    said = []
    for at_ms, unit, value in ((1_000, "Cel", 9.0), (2_000, "[degF]", 5.0)):
        metric = MetricDescription("a", DataType.DOUBLE, unit)
        view.by_name = {("room", "a"): BoundMetric("room", metric, 0)}
        table.bind(view, DeviceDescription("room", "cold_room", "", (metric,)), {}, {})
        evaluator.observe(0, value, at_ms)
        said += [each.series.unit for each in evaluator.staged().transitions]
        evaluator.settle()

    assert said == ["Cel", "[degF]"]
