"""`frostline alerts close` and `export`: what is said at an alert's end, and everything that is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from frostline_cloud.alerts import Doing, Incident, one_alert
from frostline_cloud.alerts.evidence import Closing, Disposition, check_closing, close, frozen, gather
from frostline_cloud.alerts.evidence_csv import as_csv
from frostline_cloud.client import Api, TokenFile, answered, api_client, own_store, place
from frostline_cloud.config import CloudConfig, load_cloud
from frostline_cloud.instant import now_ms
from frostline_cloud.shell import ConfigPath, opened, who
from frostline_cloud.sql import read_only, translated
from frostline_core.errors import ConfigError

AlertId = Annotated[str, typer.Argument(help="The alert's id, as `list` shows it.")]
Evidence = dict[str, Any]


class Form(StrEnum):
    """What an export is written as."""

    JSON = "json"
    CSV = "csv"


def close_alert(  # noqa: PLR0913 - the options of the command
    alert_id: AlertId,
    config: ConfigPath,
    cause: Annotated[str, typer.Option(help="Why it happened.")] = "",
    disposition: Annotated[Disposition | None, typer.Option(help="What becomes of the goods.")] = None,
    api: Api = "",
    token_file: TokenFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="The closed alert as JSON.")] = False,
) -> None:
    """Close an alert that is over and freeze its evidence; one about compliance needs cause and disposition."""
    closing = Closing(cause, disposition)
    if api:
        body = {"cause": cause, "disposition": None if disposition is None else disposition.value}
        with api_client(api, token_file) as client:
            shown = answered(client.post(place("alerts", alert_id, "close"), json=body))
    else:
        shown = _close_directly(load_cloud(config), alert_id, closing)
    said = f"{alert_id} is closed, its evidence is frozen"
    typer.echo(json.dumps(shown, ensure_ascii=False) if as_json else said)


def export(  # noqa: PLR0913 - the options of the command
    alert_id: AlertId,
    config: ConfigPath,
    form: Annotated[Form, typer.Option("--format", help="json: everything; csv: the samples.")] = Form.JSON,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; standard output if absent.")] = None,
    api: Api = "",
    token_file: TokenFile = None,
) -> None:
    """Write an alert with its timeline, notifications and evidence, or the samples around it, to a file."""
    if api:
        text = _export_by_api(api, token_file, alert_id, form)
    else:
        text = _export_directly(load_cloud(config), alert_id, form)
    if output is None:
        typer.echo(text, nl=not text.endswith("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"--output {output}: {error.strerror}") from error


def _export_by_api(api: str, token_file: Path | None, alert_id: str, form: Form) -> str:
    with api_client(api, token_file) as client:
        found = client.get(place("alerts", alert_id, "export.csv" if form is Form.CSV else "export"))
        if found.is_success and form is Form.CSV:
            return found.text
        return _pretty(answered(found))


def _export_directly(config: CloudConfig, alert_id: str, form: Form) -> str:
    with opened(config) as engine:
        incident = _known(engine, alert_id)
        evidence = _evidence(engine, config, incident)
        if form is Form.CSV:
            return as_csv(evidence)
        return _pretty({"alert": _shown(engine, alert_id), "evidence": evidence})


def _close_directly(config: CloudConfig, alert_id: str, closing: Closing) -> Mapping[str, Any]:
    doing = Doing(who(), now_ms())
    with opened(config) as engine:
        incident = _known(engine, alert_id)
        check_closing(incident, closing)
        content = _gathered(config, incident, "close")
        with translated("SQL"), engine.begin() as connection:
            close(connection, alert_id, closing, content, doing)
        return _shown(engine, alert_id)


def _evidence(engine: Engine, config: CloudConfig, incident: Incident) -> Evidence:
    """As it was frozen; of an alert that is not closed, as the store has it now."""
    with translated("SQL"), read_only(engine).connect() as connection:
        kept = frozen(connection, incident.id)
    if kept is not None:
        return kept[0] | {"frozen_ms": kept[1]}
    return _gathered(config, incident, "export") | {"frozen_ms": None}


def _gathered(config: CloudConfig, incident: Incident, doing: str) -> Evidence:
    with closing(own_store(config, doing)) as store:
        return gather(store, incident, now_ms())


def _known(engine: Engine, alert_id: str) -> Incident:
    with translated("SQL"), read_only(engine).connect() as connection:
        found = one_alert(connection, alert_id)
    if found is None:
        raise ConfigError(f"there is no alert {alert_id}")
    return found


def _shown(engine: Engine, alert_id: str) -> Mapping[str, Any]:
    from frostline_cloud.api.alerts import detail  # with the web framework: half a second

    with translated("SQL"), read_only(engine).connect() as connection:
        return detail(connection, alert_id).model_dump(mode="json")


def _pretty(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
