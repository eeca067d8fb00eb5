"""`frostline rules`: check, schema, test and backtest, before a rule is in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from frostline_cloud.config import CloudConfig, load_cloud
from frostline_cloud.instant import now_ms, utc
from frostline_cloud.rules import in_force
from frostline_cloud.rules.backtest import LEAD_MS, Found, Score, Target, backtest, read_events, score
from frostline_cloud.rules.faults import faults
from frostline_cloud.rules.schema import HINT, file_schema
from frostline_cloud.rules.table import early_text, rate_text, span_text, table
from frostline_cloud.rules.trial import Result, load_rules, load_trial
from frostline_cloud.shell import AsJson, ConfigPath, instant_of, opened
from frostline_cloud.sql import read_only, translated
from frostline_cloud.sql.registry import Scope, devices
from frostline_cloud.store import Place, open_store
from frostline_core.config import nearest
from frostline_core.errors import ConfigError
from frostline_core.rules import Rule
from frostline_core.rules.duration import parse as parse_duration

app = typer.Typer(no_args_is_help=True, help="Rules: check them, test them, try them on stored data.")

_PAGE = 500
_STEPS = 1000
_MINUTE_MS, _DAY_MS = 60_000, 86_400_000


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="A rule file (TOML or YAML), or a folder of them.")],
    as_json: AsJson = False,
) -> None:
    """Check rule files as a set; exit code 1 when something is wrong, with every fault."""
    try:
        found = load_rules(path)
    except ConfigError as error:
        if as_json:
            typer.echo(json.dumps({"rules": 0, "version": None, "faults": [asdict(f) for f in faults(str(error))]}))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps({"rules": len(found.rules), "version": found.version, "faults": []}))
    else:
        typer.echo(f"ok: {len(found.rules)} rules, version {found.version}")


@app.command()
def schema() -> None:
    """Print the JSON schema of rule files; how editors use it goes to standard error."""
    typer.echo(json.dumps(file_schema(), indent=2))
    typer.echo(HINT, err=True)


@app.command("test")
def run_tests(
    files: Annotated[list[Path], typer.Argument(help="Files of tests, TOML or YAML.")], as_json: AsJson = False
) -> None:
    """Run tests of rules; exit code 1 when one fails, with what is expected (-) and what happened (+)."""
    results = [(file, result) for file in files for result in load_trial(file).run()]
    failed = sum(bool(result.differences) for _, result in results)
    if as_json:
        shown = [{"file": str(file), "passed": not r.differences, **asdict(r)} for file, r in results]
        typer.echo(json.dumps({"tests": len(results), "failed": failed, "results": shown}))
    else:
        for file, result in results:
            _show_result(file, result)
        typer.echo(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


@app.command("backtest")
def run_backtest(  # noqa: PLR0913 - the options of the command
    rule: Annotated[str, typer.Argument(help="A rule's id, or a file or folder of rules.")],
    config: ConfigPath,
    begin: Annotated[str, typer.Option("--from", help="Not before: 2026-01-31T12:00:00Z, or UTC milliseconds.")],
    end: Annotated[str, typer.Option("--to", help="Before; now, if absent.")] = "",
    device: Annotated[
        list[str] | None, typer.Option(help="SITE/NODE/DEVICE, may be repeated; all that are known if absent.")
    ] = None,
    kind: Annotated[str, typer.Option(help="Kind of the devices that were never born, such as imported ones.")] = "",
    zone: Annotated[str, typer.Option(help="Their zone.")] = "",
    events: Annotated[Path | None, typer.Option(help="CSV of known events: from, to, and label, device.")] = None,
    lead: Annotated[str, typer.Option(help="How long before an event an alert counts as its warning.")] = "2d",
    as_json: AsJson = False,
    as_table: Annotated[bool, typer.Option("--table", help="A Markdown table, a rule each line.")] = False,
) -> None:
    """What rules would have done with stored data. Changes nothing."""
    loaded = load_cloud(config)
    rules = _rules(rule, loaded)
    span = (instant_of(begin, "--from"), instant_of(end, "--to") if end else now_ms())
    known = read_events(events) if events is not None else []
    lead_ms = _lead(lead)
    targets = _targets(loaded, device or [], kind, zone)
    store = open_store(loaded.store)
    try:
        with _progress(len(targets), quiet=as_json) as progress:
            found = backtest(rules, targets, store, span, progress)
    finally:
        store.close()
    scores = [score(each, known, lead_ms) for each in found]
    if as_json:
        typer.echo(json.dumps({"from_ms": span[0], "to_ms": span[1], "rules": list(map(_as_json, found, scores))}))
        return
    if not any(each.samples for each in found):
        raise ConfigError("no stored sample belongs to these rules: nothing was tried")
    if as_table:
        typer.echo("\n".join(table(found, scores)))
        return
    for one, its_score in zip(found, scores, strict=True):
        _show(one, its_score)


def _rules(wanted: str, loaded: CloudConfig) -> Sequence[Rule]:
    path = Path(wanted)
    if path.exists():
        return load_rules(path).rules
    with opened(loaded) as engine, translated("SQL"), read_only(engine).connect() as connection:
        known = in_force(connection, load_rules(loaded.rules.folder), now_ms(), says=True)
    found = known.rule(wanted)
    if found is None:
        ids = [each.id for each in known.rules]
        raise ConfigError(f"no file and no rule in force is called '{wanted}'{nearest(wanted, ids)}")
    return (found,)


def _targets(loaded: CloudConfig, wanted: Sequence[str], kind: str, zone: str) -> list[Target]:
    with opened(loaded) as engine, translated("SQL"), read_only(engine).connect() as connection:
        return [_named(connection, name, kind, zone) for name in wanted] or _all_known(connection)


def _all_known(connection: Connection) -> list[Target]:
    found: list[Target] = []
    after: tuple[str, str, str] | None = None
    while page := devices(connection, Scope(), after, _PAGE):
        found += [Target(each.place, dict(each.description.labels)) for each in page]
        after = (page[-1].site, page[-1].node, page[-1].description.id)
    if not found:
        raise ConfigError("no device is known here; name those that were never born by --device and --kind")
    return found


def _named(connection: Connection, name: str, kind: str, zone: str) -> Target:
    parts = name.split("/")
    if len(parts) != 3 or not all(parts):
        raise ConfigError(f"--device: SITE/NODE/DEVICE, not '{name}'")
    for born in devices(connection, Scope(*parts), None, 1):
        return Target(born.place, dict(born.description.labels))
    if not kind:
        raise ConfigError(f"--device: {name} was never born here; say its kind by --kind")
    site, node, device = parts
    return Target(Place(kind, site, node, device, zone), {})


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Any]:
    if quiet:
        yield lambda _done: None
        return
    with typer.progressbar(length=_STEPS, label="backtest", file=typer.get_text_stream("stderr")) as bar:

        def tell(done: float) -> None:
            bar.update(max(0, round(done / max(1, total) * _STEPS) - bar.pos))

        yield tell


def _lead(text: str) -> int:
    try:
        return parse_duration(text) if text else LEAD_MS
    except ValueError as error:
        raise ConfigError(f"--lead: {error}") from error


def _show_result(file: Path, result: Result) -> None:
    if not result.differences:
        typer.echo(f"ok    {file}: {result.name}")
        return
    typer.echo(f"FAIL  {file}: {result.name}")
    for line in result.differences:
        typer.echo(f"      {line}")


def _as_json(found: Found, its_score: Score) -> dict[str, Any]:
    return {
        "rule": found.rule.id,
        "type": found.rule.type,
        "series": found.series,
        "samples": found.samples,
        "measured_ms": found.measured_ms,
        "suppressed_ms": found.suppressed_ms,
        "alerts": [asdict(each) for each in found.alerts],
        "events": [asdict(each.event) | {"early_ms": each.early_ms} for each in its_score.warned],
        "false_alarms": its_score.false_alarms,
        "false_alarms_per_week": its_score.per_week,
    }


def _show(found: Found, its_score: Score) -> None:
    typer.echo(
        f"{found.rule.id} ({found.rule.type}): {len(found.alerts)} alerts on {found.series} series,"
        f" {found.samples} samples, {found.measured_ms / _DAY_MS:.1f} days measured"
    )
    for alert in found.alerts:
        lasted = "not over" if alert.resolved_ms is None else f"for {span_text(alert.resolved_ms - alert.fired_ms)}"
        value = "no value" if alert.value is None else f"{alert.value:g}"
        typer.echo(f"  {utc(alert.fired_ms)}  {'/'.join(alert.device)} {alert.metric}  {value}  {lasted}")
    for warned in its_score.warned:
        typer.echo(f"  {warned.event.label}: {early_text(warned.early_ms)}")
    if its_score.warned:
        typer.echo(f"  false alarms: {its_score.false_alarms}, {rate_text(its_score)} a week")
    if found.suppressed_ms:
        typer.echo(f"  suppressed: {found.suppressed_ms / _MINUTE_MS:.0f} min")
