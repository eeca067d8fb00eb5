"""What a spool holds, in numbers: for status, and for whoever looks at the files of another process."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from frostline_core.errors import UnavailableError
from frostline_gateway.spool import account as accounts
from frostline_gateway.spool import draft as drafts
from frostline_gateway.spool import file, redo, ring, waiting
from frostline_gateway.spool.draft import StoredRun
from frostline_gateway.spool.rows import Account
from frostline_gateway.spool.statements import Recorded, expanded, unpack

_TRIES = 5
"""A process that writes its tables between our two looks makes the second one worthless."""


@dataclass(frozen=True, slots=True)
class SpoolView:
    """A spool at one instant.

    Attributes:
        held_rows: Data rows held.
        held_bytes: What the rows weigh, as the budget counts; without the ring.
        oldest_ms: When the oldest row was appended, UTC milliseconds; None when the spool is empty.
        ring_bytes: What the rows weigh that the cloud has and that can be sent again.
        waiting_samples: Samples that wait for the time of day; part of what is pending.
        account: What became of every reading since the spool was made.
    """

    held_rows: int
    held_bytes: int
    oldest_ms: int | None
    ring_bytes: int
    waiting_samples: int
    account: Account

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    @classmethod
    def of(cls, connection: sqlite3.Connection | Recorded, runs: Mapping[int, StoredRun]) -> Self:
        """As the tables are, with the runs of a draft."""
        waits = waiting.samples(connection)
        pending = sum(run.samples for run in runs.values()) + waits
        return cls(
            held_rows=sum(run.data_rows for run in runs.values()),
            held_bytes=sum(run.bytes for run in runs.values()),
            oldest_ms=min((run.held.oldest_ms for run in runs.values() if not run.held.empty), default=None),
            ring_bytes=ring.weight(connection),
            waiting_samples=waits,
            account=accounts.read(connection, pending),
        )

    def document(self) -> dict[str, Any]:
        """As the redo file keeps it."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From the redo file."""
        return cls(**{**document, "account": Account(**document["account"])})


def look(path: Path) -> SpoolView:
    """Looks at the files of a spool, also while a gateway writes them.

    Raises:
        UnavailableError: There is no spool, or it cannot be read; the message says what to do.
    """
    if not path.exists():
        raise UnavailableError(
            f"spool {path}: there is none; the gateway makes it at its first start. Has it run with this data_dir?"
        )
    try:
        with closing(file.connect_read_only(path)) as connection:
            for _ in range(_TRIES):
                found = _look(path, connection)
                if found is not None:
                    break
            else:
                found = SpoolView.of(connection, drafts.load(connection))
    except (sqlite3.Error, OSError) as error:
        raise UnavailableError(
            f"spool {path}: cannot be read ({error}); does it belong to this user, and is it whole?"
        ) from error
    return found


def _look(path: Path, connection: sqlite3.Connection) -> SpoolView | None:
    """One look; None when the tables were written meanwhile."""
    ((raw_id, change),) = connection.execute("SELECT id, change FROM spool").fetchall()
    bodies = redo.read(path, int.from_bytes(raw_id), change).bodies
    if bodies:
        return SpoolView.read(unpack(expanded(bodies[-1]))[0])
    found = SpoolView.of(connection, drafts.load(connection))
    same = connection.execute("SELECT change FROM spool").fetchone() == (change,)
    return found if same else None
