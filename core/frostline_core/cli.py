"""The `frostline` command: each part adds its own sub-command through the entry-point group `frostline.commands`."""

from __future__ import annotations

import gc
import sys
from importlib.metadata import EntryPoint, entry_points, version

import typer

from frostline_core.errors import FrostlineError

GROUP = "frostline.commands"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"frostline {version('frostline')}")
        raise typer.Exit


def _root(
    show: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Cold-chain and stock telemetry with delivery that is proved."""


def build(arguments: list[str]) -> typer.Typer:
    """The whole command; only the part that is called is imported, so that a Pi never loads the cloud."""
    app = typer.Typer(name="frostline", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_root)
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if wanted is None or wanted == point.name or wanted not in entry_points(group=GROUP).names:
            _add(app, point)
    return app


def _add(app: typer.Typer, point: EntryPoint) -> None:
    try:
        app.add_typer(point.load(), name=point.name)
    except ModuleNotFoundError as error:
        missing, extra = error.name, point.value.split(":")[0].split(".")[0].removeprefix("frostline_")

        def absent() -> None:
            typer.echo(
                f"frostline {point.name}: the Python package '{missing}' is not installed; "
                f"install this part with: pip install 'frostline[{extra}]'",
                err=True,
            )
            raise typer.Exit(3)

        app.command(
            point.name,
            help=f"(not installed: pip install 'frostline\\[{extra}]')",  # rich takes plain brackets for markup
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        )(absent)


def _loaded(arguments: list[str]) -> typer.Typer:
    """The command, imported without the garbage collector, which finds nothing then and takes a tenth of the time."""
    gc.disable()
    try:
        return build(arguments)
    finally:
        gc.enable()


def main() -> None:
    """Runs the command; an error that Frostline raised on purpose is one message, not a traceback."""
    try:
        _loaded(sys.argv[1:])()
    except FrostlineError as error:
        typer.echo(f"frostline: {error}", err=True)
        sys.exit(2)
