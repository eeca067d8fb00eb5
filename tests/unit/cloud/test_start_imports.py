"""What a start does not need is not loaded: it would wait for libraries of half a second each."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LATER = ("alembic", "duckdb", "fastapi", "httpx", "influxdb_client", "nicegui", "starlette", "uvicorn")


def loaded_by(module: str) -> set[str]:
    """Names of the packages that importing a module loads, in a process of its own."""
    script = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return set(told.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "frostline_cloud.cli",
        "frostline_cloud.alerts_cli",
        "frostline_cloud.rules_cli",
        "frostline_cloud.notify.notify_cli",
        "frostline_cloud.run",
    ],
)
def test_the_cloud_starts_without_its_web_side_and_without_what_its_config_may_not_ask_for(module: str) -> None:
    assert loaded_by(module) & set(_LATER) == set()


def test_the_names_that_are_loaded_later_are_there_when_asked_for() -> None:
    from frostline_cloud import api
    from frostline_cloud.notify.receivers import webhook

    for package in (api, webhook):
        assert all(hasattr(package, name) for name in package.__all__)
        assert not hasattr(package, "nothing")
