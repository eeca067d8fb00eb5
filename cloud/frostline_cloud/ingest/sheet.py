"""The rows of a flush, as the store takes them."""

from __future__ import annotations

from collections.abc import Sequence

from frostline_cloud.ingest.apart import letter_of
from frostline_cloud.ingest.decode import Batch, Sample, count_of
from frostline_cloud.ingest.load import Load, Written
from frostline_cloud.ingest.series import SeriesTable
from frostline_cloud.store.port import AnyRow, NumberRow, RejectedError, Row, Sheet, Store
from frostline_core.commit import Queued, Regular
from frostline_core.reading import Quality


def rows_of(load: Load, series: SeriesTable) -> Written:
    """What a flush has for the store, and what of it is refused already."""
    regular: list[Regular] = []
    batches: list[Batch] = []
    for each in load.taken.entries:
        if not isinstance(each, Queued):
            regular.append(each)
        elif not each.mark.gap:
            batches.append(each.item)
    for item in load.plain:
        if isinstance(item, Batch):
            batches.append(item)
        else:
            regular.append(item)
    written = Written(_in_columns(regular), list(regular))
    for batch in batches:
        _add(written, batch, series)
    return written


def send(written: Written, store: Store) -> None:
    """Writes the rows; those that the store refuses become dead letters.

    Raises:
        UnavailableError: The store cannot write.
    """
    if not len(written.sheet):
        return
    try:
        store.write(written.sheet)
    except RejectedError as error:
        numbers = len(written.sheet.forms)
        for index, reason in error.rows:
            owner = written.owners[index]
            samples = count_of(owner) if index < numbers else written.counts[index - numbers]
            written.buried.append(letter_of(owner, f"rejected by the store: {reason}", samples))


def _in_columns(regular: Sequence[Regular]) -> Sheet:
    return Sheet([each[3].form for each in regular], [each[4] for each in regular], [each[5] for each in regular])


def _add(written: Written, batch: Batch, series: SeriesTable) -> None:
    for row, count in _rows(batch.samples, series):
        written.sheet.others.append(row)
        written.counts.append(count)
        written.owners.append(batch)
    for metric, reason in batch.refused:
        written.buried.append(letter_of(batch, f"{metric}: {reason}", 1))
    if batch.unfit:
        written.buried.append(letter_of(batch, batch.unfit, batch.good))


def _rows(samples: Sequence[Sample], series: SeriesTable) -> list[tuple[AnyRow, int]]:
    """One row per device and instant, in order of the instants' first appearance, and its number of samples."""
    if len(samples) == 1:
        slot, value, at_ms, quality = samples[0]
        if quality == Quality.GOOD and isinstance(value, float):
            return [(NumberRow(series.single(slot), at_ms, (value,)), 1)]
    rows: dict[int, Row] = {}
    counts: dict[int, int] = {}
    places, names = series.places, series.fields
    for slot, value, at_ms, quality in samples:
        row = rows.get(at_ms)
        if row is None:
            row = rows[at_ms] = Row(places[slot], at_ms, [])
            counts[at_ms] = 0
        counts[at_ms] += 1
        name = names[slot]
        if value is not None:
            row.fields.append((name, value) if isinstance(value, float) else (f"{name}_text", value))
        if quality != Quality.GOOD:
            row.fields.append((f"{name}_quality", float(quality)))
    return [(row, counts[at_ms]) for at_ms, row in rows.items()]
