"""Puts the dashboards into a Grafana by its HTTP API: `python -m dashboards.upload --help`.

For a Grafana whose files one cannot reach; where one can, file provisioning is simpler (grafana/provisioning). The data
source `frostline-influx` must be there: it holds a password, which does not belong in here.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

import typer
from grafana_client import GrafanaApi  # type: ignore[import-untyped]  # it has no types
from grafana_client.client import GrafanaException  # type: ignore[import-untyped]  # it has no types
from requests import RequestException

from dashboards.annotate import connect
from dashboards.build import rendered

FOLDER: Final = ("frostline", "Frostline")
"""Uid and title of their folder, as file provisioning has them."""

_NOT_FOUND = 404


def upload(grafana: GrafanaApi) -> list[str]:
    """Makes the folder where there is none, and puts every dashboard there in place of what was; returns their uids.

    Raises:
        GrafanaException: Grafana refuses it.
        RequestException: It does not answer.
    """
    uid, title = FOLDER
    try:
        grafana.folder.get_folder(uid)
    except GrafanaException as error:
        if error.status_code != _NOT_FOUND:
            raise
        grafana.folder.create_folder(title, uid)
    done = []
    for text in rendered().values():
        board = json.loads(text)
        grafana.dashboard.update_dashboard({"dashboard": board, "folderUid": uid, "overwrite": True})
        done.append(str(board["uid"]))
    return done


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.upload", description="The dashboards into a Grafana.")
    parser.add_argument("--grafana", required=True, help="Grafana's address, such as http://127.0.0.1:3000.")
    parser.add_argument("--grafana-token-file", required=True, type=Path, help="Token of a service account (Editor).")
    asked = parser.parse_args(arguments)
    grafana = connect(asked.grafana, asked.grafana_token_file.read_text(encoding="utf-8").strip())
    try:
        typer.echo("\n".join(upload(grafana)))
    except (GrafanaException, RequestException) as error:
        typer.echo(f"not done: {error}", err=True)
        return 1
    finally:
        grafana.client.s.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
