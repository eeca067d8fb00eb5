"""What each batch of a flush means for its run: the decisions of the commit protocol, section 4, without SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from frostline_cloud.ingest.decode import Batch, Item, owner_of, spelled_out
from frostline_cloud.ingest.generation import OvertakenError
from frostline_cloud.ingest.journal import Loss
from frostline_cloud.ingest.losses import noticed, of_span, of_unfit
from frostline_core.commit import Queued, Regular, Taken, advance, mark_of


@dataclass(slots=True)
class Delivered:
    """What a flush brings.

    Attributes:
        items: To be ruled, in order of arrival.
        reached: Run to its new committed number.
        losses: To be listed.
    """

    items: list[Item] = field(default_factory=list)
    reached: dict[int, int] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)


def deliver(taken: Taken[Batch], known: Mapping[int, int]) -> Delivered:
    """Goes through the batches of a flush.

    Args:
        taken: In order of arrival.
        known: Run to its number in SQL.

    Raises:
        OvertakenError: A batch before one is missing.
    """
    done = Delivered(reached=dict(known))
    if taken.regular and all(known[run] == span.before for run, span in taken.spans.items()):
        done.items = [each for each in taken.entries if not isinstance(each, Queued)]  # all of them
        done.reached = {run: span.last for run, span in taken.spans.items()}
        return done
    for each in taken.entries:
        if isinstance(each, Queued):
            _step(each, done)
        elif each[1] == done.reached[each[0]] + 1:
            done.reached[each[0]] = each[1]
            done.items.append(each)
        else:
            _step(spelled_out(each), done)
    return done


def _step(queued: Queued[Batch], done: Delivered) -> None:
    mark, batch = queued.mark, queued.item
    try:
        step = advance(done.reached[mark.run], mark)
    except ValueError as error:
        raise OvertakenError(f"SQL is behind what this process knew: {error}") from error
    done.reached[mark.run] = step.committed
    if step.deliver:
        done.items.append(batch)
        done.losses += noticed(batch)
        if batch.unfit:
            done.losses.append(of_unfit(batch, mark))
    done.losses += [loss for span in step.losses for loss in of_span(batch, mark, span)]


def owners_of(taken: Taken[Batch]) -> dict[int, tuple[str, str]]:
    """Site and node of each run."""
    return {run: owner_of_run(span.entry) for run, span in taken.spans.items()}


def stream_of(entry: Queued[Batch] | Regular) -> int:
    """What its run belongs to."""
    return (entry.mark if isinstance(entry, Queued) else mark_of(entry)).stream


def owner_of_run(entry: Queued[Batch] | Regular) -> tuple[str, str]:
    """Site and node of its run."""
    return owner_of(entry.item if isinstance(entry, Queued) else entry)
