"""`python -m tests.chaos --kills 200 --seed 1`: the long form. Report to var/chaos, exit code 1 at a violation."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos.scenario import Scenario, run

RESULTS = Path("var/chaos")
_SECONDS_PER_KILL = 4.0


def main() -> None:
    """Runs one scenario and prints what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many SIGKILLs; half as many other faults")
    parser.add_argument("--seed", type=int, default=None, help="decides every fault; drawn where absent")
    parser.add_argument("--minutes", type=float, default=None, help="over which they are spread; 4 s a kill if absent")
    parser.add_argument("--ingests", type=int, choices=(1, 2), default=1, help="two: on one SQL, both are killed")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    minutes = options.minutes or options.kills * _SECONDS_PER_KILL / 60
    scenario = Scenario(seed, options.kills, minutes, ingests=options.ingests)
    sys.stderr.write(f"chaos: {scenario.command}\n")
    RESULTS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"seed-{seed}-", dir=RESULTS))
    report = run(scenario, folder.resolve())
    sys.stdout.write(f"{report.table()}\nreport and logs: {folder}\n")
    if report.violations:
        sys.exit(f"the promise was broken; again with: {scenario.command}")


main()
