"""A cloud that kills itself at a chosen step of what it does in SQL; see `tests/e2e/test_alert_crashes.py`.

It dies by SIGKILL, once: nothing is flushed, closed or rolled back by Python. The next start lives.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from tests.support.stack import Program

_STEP, _MARK = "FROSTLINE_TEST_DIES", "FROSTLINE_TEST_DIED"
_WRITES = re.compile(r"^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Death:
    """When to die, in a transaction that writes these tables and none of those.

    Attributes:
        when: `at`: before the statement that writes the first of the tables; `before` or `after` the commit.
        tables: Written by the transaction.
        without: Not written by it.
        news: Only once an alert has been committed.
    """

    when: str
    tables: tuple[str, ...]
    without: tuple[str, ...] = ()
    news: bool = False

    def __str__(self) -> str:
        return f"{self.when}:{','.join(self.tables)}:{','.join(self.without)}:{int(self.news)}"

    @classmethod
    def read(cls, text: str) -> Death:
        """What `str` wrote."""
        when, tables, without, news = text.split(":")
        return cls(when, tuple(tables.split(",")), tuple(without.split(",")) if without else (), news == "1")

    def fits(self, written: set[str]) -> bool:
        """Whether a transaction that has written so much is the one."""
        return written.issuperset(self.tables) and written.isdisjoint(self.without)


class MortalProgram(Program):
    """A process that dies once, of its own hand."""

    ENTRY = "from tests.support.mortal import main; main()"

    def __init__(self, program: Program, death: Death, mark: Path) -> None:
        environment: Mapping[str, str] = {_STEP: str(death), _MARK: str(mark)}
        super().__init__(program.name, program.arguments, program.log.parent, environment)
        self._mark = mark

    @property
    def has_died(self) -> bool:
        """Whether it killed itself, and has ended."""
        return self._mark.exists() and not self.running


class _Watch:
    """Follows the transactions of all engines of this process."""

    def __init__(self, death: Death, mark: Path) -> None:
        self._death, self._mark = death, mark
        self._is_news = False

    def statement(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found = _WRITES.match(statement)
        if found is None:
            return
        written = connection.info.setdefault("written", set())
        written.add(found[1].lower())
        if self._death.when == "at" and found[1].lower() == self._death.tables[0] and self._is_it(written):
            self._die()

    def commit(self, connection: Any) -> None:
        written = connection.info.pop("written", set())
        if self._death.when != "at" and self._is_it(written):
            if self._death.when == "after":
                connection.connection.driver_connection.execute("COMMIT")
            self._die()
        self._is_news = self._is_news or "alert" in written

    def rollback(self, connection: Any) -> None:
        connection.info.pop("written", None)

    def _is_it(self, written: set[str]) -> bool:
        return (self._is_news or not self._death.news) and self._death.fits(written)

    def _die(self) -> None:
        self._mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """The `frostline` command, mortal until it has died."""
    mark = Path(os.environ[_MARK])
    if not mark.exists():
        watch = _Watch(Death.read(os.environ[_STEP]), mark)
        event.listen(Engine, "before_cursor_execute", watch.statement)
        event.listen(Engine, "commit", watch.commit)
        event.listen(Engine, "rollback", watch.rollback)
    from frostline_core.cli import main as frostline

    frostline()
