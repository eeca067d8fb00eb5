"""`frostline demo` as a script runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_COMMAND = [sys.executable, "-c", "from frostline_core.cli import main; main()", "demo", "--json"]
_START_AND_END_S = 300
_END_S = 120


def run_demo(duration_s: int, speed: int) -> tuple[int, dict[str, Any]]:
    """Exit code, and the object that it prints at its end.

    Raises:
        AssertionError: It printed none; the message is what it logged.
    """
    arguments = [*_COMMAND, "--duration", str(duration_s), "--speed", str(speed)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        try:
            printed, logged = demo.communicate(timeout=duration_s + _START_AND_END_S)
        except BaseException:
            _end(demo)
            raise
    assert printed, logged.decode()
    return demo.returncode, json.loads(printed)


def _end(demo: subprocess.Popen[bytes]) -> None:
    """SIGTERM: it ends what it has started, which would outlive it otherwise."""
    demo.terminate()
    try:
        demo.communicate(timeout=_END_S)
    except subprocess.TimeoutExpired:
        demo.kill()
