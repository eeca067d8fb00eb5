"""The series table: forms of rows are remembered, and there is an end to that."""

from __future__ import annotations

from itertools import combinations

from frostline_cloud.ingest.series import SeriesTable
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.rules import Evaluator
from frostline_core.sparkplug import BoundMetric, Metrics, NodeView, topics

NAMES = ("a", "b", "c", "d")
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
