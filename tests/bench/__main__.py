"""`make bench`: runs measurements, writes var/bench/NAME.json, prints what came out and which targets are met.

    python -m tests.bench                    # all, one after the other
    python -m tests.bench edge spool         # some
    python -m tests.bench ingest --case X    # options are for the one bench named

A bench is a module with `measure() -> dict`; one that takes options has `part(options: list[str]) -> dict` as well,
whose result is printed and not kept; one whose result is best read as a table has `table(result) -> str`.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from tests.bench import conditions, targets, watch

RESULTS = Path("var/bench")
BENCHES = {
    "ingest": "tests.bench.ingest",
    "hot": "tests.bench.hot",
    "restart": "tests.bench.restart",
    "spool": "tests.bench.spool",
    "card": "tests.bench.card",
    "edge": "tests.bench.edge",
    "metered": "tests.bench.metered",
    "wire": "tests.bench.wire",
    "growth": "tests.bench.growth",
    "alerts": "tests.bench.alerts",
    "storm": "tests.bench.storm",
    "series": "tests.bench.series",
    "peers": "tests.bench.peers.run",
}


def main(arguments: list[str]) -> None:
    """Runs the named benches, or all."""
    first = next((i for i, each in enumerate(arguments) if each.startswith("-")), len(arguments))
    wanted, options = arguments[:first] or list(BENCHES), arguments[first:]
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown or (options and len(wanted) != 1):
        sys.exit(f"usage: python -m tests.bench [NAME ... | NAME OPTIONS]; benches: {', '.join(BENCHES)}")
    results = {name: _kept_going(name, options) for name in wanted}
    sys.stdout.write(f"\n{targets.table(results)}\n")
    sys.exit(int(any("failed" in result for result in results.values())))


def _kept_going(name: str, options: list[str]) -> dict[str, Any]:
    """A bench's result; or why it was skipped or has failed, so that the others still run."""
    try:
        with watch.watched(name):
            return _run(name, options)
    except pytest.skip.Exception as why:  # a service that is not installed: tests.support.services
        return {"skipped": str(why)}
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  # one bench must not cost the others
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"}


def _run(name: str, options: list[str]) -> dict[str, Any]:
    bench = importlib.import_module(BENCHES[name])
    result: dict[str, Any] = {}
    with conditions.noted(result):
        result |= bench.part(options) if options else bench.measure()
    text = json.dumps(result, indent=2) + "\n"
    if not options:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    if hasattr(bench, "table") and not options and "skipped" not in result:
        sys.stdout.write(f"\n{bench.table(result)}\n")
    return result


if __name__ == "__main__":
    main(sys.argv[1:])
