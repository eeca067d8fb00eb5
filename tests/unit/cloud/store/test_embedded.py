"""The embedded store against a dictionary, through any order of writes, overwrites, tidying and reopening."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_cloud.store.embedded import EmbeddedStore
from frostline_cloud.store.port import Bucket, FieldValue, Latest, Place, Row

DAY = 86_400_000
NOW_MS = 20_000 * DAY
PLACES = [Place("cold_room", "s", "n", f"d{i}") for i in range(2)]
_FIELD = st.tuples(st.sampled_from(["a", "b"]), st.floats(-100, 100)) | st.tuples(
    st.just("c_text"), st.text(max_size=3)
)
_ROW = st.builds(
    Row,
    st.sampled_from(PLACES),
    st.integers(-5, 5).map(lambda half: NOW_MS + half * DAY // 2),
    st.lists(_FIELD, min_size=1, max_size=3),
)
_STEPS = st.lists(st.lists(_ROW, max_size=6) | st.sampled_from(["tidy", "reopen"]), max_size=8)


def _expected(cells: dict[tuple[Place, str, int], FieldValue], place: Place) -> tuple[list[Bucket], list[Latest]]:
    numbers = {at: v for (p, f, at), v in cells.items() if p == place and f == "a" and isinstance(v, float)}
    newest: dict[str, tuple[int, FieldValue]] = {}
    for (p, f, at), value in cells.items():
        if p == place and at >= newest.get(f, (at, 0))[0]:
            newest[f] = at, value
    return (
        [Bucket(at, value, value, value, 1) for at, value in sorted(numbers.items())],
        [Latest(f, value, at) for f, (at, value) in sorted(newest.items())],
    )


@settings(max_examples=30, deadline=None)
@given(_STEPS)
def test_it_answers_as_a_dictionary_would(steps: Sequence[list[Row] | str]) -> None:
    cells: dict[tuple[Place, str, int], FieldValue] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store.duckdb"
        store = EmbeddedStore(path, clock=lambda: NOW_MS / 1000)
        for step in steps:
            if step == "tidy":
                store.tidy()
            elif step == "reopen":
                store.close()
                store = EmbeddedStore(path, clock=lambda: NOW_MS / 1000)
            else:
                assert not isinstance(step, str)
                store.write(step)
                cells.update(((row.place, f, row.at_ms), value) for row in step for f, value in row.fields)
            for place in PLACES:
                found = store.series(place, "a", NOW_MS - 9 * DAY, NOW_MS + 9 * DAY, DAY // 2), store.latest(place)
                assert found == _expected(cells, place)
        store.close()
