"""`make bench`: runs every measurement, writes var/bench/NAME.json and prints what came out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.bench import edge, ingest, metered, spool

RESULTS = Path("var/bench")
BENCHES = {"ingest": ingest.measure, "spool": spool.measure, "edge": edge.measure, "metered": metered.measure}


def main(wanted: list[str]) -> None:
    """Runs the named benches, or all."""
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        sys.exit(f"unknown bench: {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in wanted or BENCHES:
        sys.stderr.write(f"measuring {name} ...\n")
        result = BENCHES[name]()
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        sys.stdout.write(json.dumps(result, indent=2) + "\n")


main(sys.argv[1:])
