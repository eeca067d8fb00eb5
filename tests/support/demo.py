"""`frostline demo` as a script runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_COMMAND = [sys.executable, "-c", "from frostline_core.cli import main; main()", "demo", "--json"]
_START_AND_END_S = 300


def run_demo(duration_s: int, speed: int) -> tuple[int, dict[str, Any]]:
    """Exit code, and the object that it prints at its end.

    Raises:
        AssertionError: It printed none; the message is what it logged.
    """
    arguments = [*_COMMAND, "--duration", str(duration_s), "--speed", str(speed)]
    done = subprocess.run(arguments, capture_output=True, timeout=duration_s + _START_AND_END_S, check=False)
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)
