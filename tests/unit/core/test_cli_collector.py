"""The garbage collector rests only while a command is imported."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import atexit, gc
from frostline_core.cli import main
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count()))
main()
"""


def test_it_works_again_when_the_command_runs_and_holds_nothing_back_at_the_end() -> None:
    """What is frozen is not taken apart at the end, and libraries in C then complain of leaks into the log."""
    command = [sys.executable, "-c", _SCRIPT, "gateway", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.splitlines()[-1] == "True 0"
