"""Sites, gateways and devices, with the present of each device."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from frostline_cloud.api.access import Viewer
from frostline_cloud.api.live import Freshness, LiveValue, live_values
from frostline_cloud.api.paging import Cursor, Limit, Page, decode, encode
from frostline_cloud.api.parameters import NodeFilter, SiteFilter, Text
from frostline_cloud.api.problems import not_found
from frostline_cloud.api.services import Services, Wired
from frostline_cloud.rules import in_force
from frostline_cloud.rules.taken import Taken, taken
from frostline_cloud.sql import ledger, registry
from frostline_cloud.sql.registry import KnownDevice, KnownNode, Scope
from frostline_core.reading import Quality
from frostline_core.rules.bundle import unsendable
from frostline_core.rules.derived import tau_of

router = APIRouter(tags=["fleet"])

_DEVICES_IN_A_PAGE = 100  # each asks the store for its newest values


class SiteOut(BaseModel):
    """A site: a warehouse or a truck."""

    site: str = Field(description="Its name: the Sparkplug group.")
    first_seen_ms: int = Field(description="When its first gateway was born, UTC milliseconds.")
    nodes: int = Field(description="Gateways known.")
    nodes_online: int = Field(description="Gateways with a session now.")
    devices: int = Field(description="Devices known.")


class AccountOut(BaseModel):
    """What became of the samples that came from a gateway: received = written + dead_lettered + duplicate."""

    received: int = Field(description="Samples that came.")
    written: int = Field(description="Samples in the store.")
    dead_lettered: int = Field(description="Samples that could not be stored; see the dead letters.")
    duplicate: int = Field(description="Samples that had come before.")
    residue: int = Field(description="Samples without a fate: anything but 0 is an error of ours.")


class LostOut(BaseModel):
    """How much of a gateway is listed as lost."""

    model_config = ConfigDict(from_attributes=True)

    listings: int = Field(description="Entries in the list of losses.")
    samples: int = Field(description="Samples of the entries that know their number.")
    uncounted: int = Field(description="Entries that do not know it.")
    recovered: int = Field(description="Entries whose samples were stored after all; not among the others.")
    recovered_samples: int = Field(description="Samples of those.")


class DoubtOut(BaseModel):
    """A run that its gateway no longer has and whose tail may be lost; what still arrives shortens it."""

    run: str = Field(description="The run, 16 hex digits.")
    first: int = Field(description="First batch in doubt; there is no last.")
    announced: int = Field(description="Highest batch that the gateway told of.")


class LocalRulesOut(BaseModel):
    """What a gateway says of the rules that it was sent to evaluate itself."""

    model_config = ConfigDict(from_attributes=True)

    version: str = Field(description="Of the set that is in use there; empty for none.")
    refused: str = Field(description="Of the set that it refused since; empty where it could not even read that.")
    reason: str = Field(description="Why; empty where nothing is refused.")
    at_ms: int = Field(description="When it said so, by its clock.")


class NodeOut(BaseModel):
    """A gateway."""

    site: str = Field(description="Its site.")
    node: str = Field(description="Its name: the Sparkplug edge node.")
    online: bool = Field(description="Whether it has a session now.")
    proved: bool = Field(description="Whether it speaks the commit protocol: delivery is then proved, not assumed.")
    birth_ms: int = Field(description="Its newest birth, UTC milliseconds.")
    death_ms: int | None = Field(description="Its newest death, UTC milliseconds.")
    account: AccountOut = Field(description="Its samples over all time.")
    lost: LostOut = Field(description="Its losses over all time.")
    local_rules: LocalRulesOut | None = Field(description="Null where it has said nothing of local rules.")
    rules_unsent: str = Field(
        default="",
        description="Why its rules cannot be sent to it, so that it goes on with those it has; empty where they can.",
    )
    in_doubt: list[DoubtOut] = Field(description="Runs whose tail may be lost; at most 100.")


class ValueOut(BaseModel):
    """The newest value of a metric."""

    metric: str = Field(description="Its name.")
    value: float | int | bool | str | None = Field(
        description="The newest value; null when there is none or the newest reading was bad."
    )
    unit: str = Field(description="UCUM code of the value.")
    quality: str | None = Field(description="`good`, `uncertain` or `bad`; null when it was never measured.")
    at_ms: int | None = Field(description="When it was measured, UTC milliseconds.")
    age_ms: int | None = Field(description="How long ago that was.")
    stale: bool = Field(description="Whether it must not be taken for the present.")
    stale_reason: str = Field(description="Why not; empty when it is fresh.")
    low: float | None = Field(description="Lowest value that the sensor can measure.")
    high: float | None = Field(description="Highest value that the sensor can measure.")


class DeviceOut(BaseModel):
    """A field device with its present."""

    site: str = Field(description="Its site.")
    node: str = Field(description="Its gateway.")
    device: str = Field(description="Its id, unique in its gateway.")
    kind: str = Field(description="What it is, for example `cold_room`.")
    zone: str = Field(description="Where it stands; empty where that means nothing.")
    labels: dict[str, str] = Field(description="Anything else that rules and people select by.")
    buffer_s: int | None = Field(
        description="How slow its virtual buffers are, `<metric>_buffered` of `/series` and of rules: the seconds "
        "after which they have come 63 % of the way. Null where its label `buffer` makes no sense."
    )
    online: bool = Field(description="Whether it and its gateway have a session now.")
    retired: bool = Field(description="Somebody said that it is gone for good, and it was not born since.")
    imported: bool = Field(description="History of it came from files; see `/imports`.")
    birth_ms: int = Field(description="Its newest birth, UTC milliseconds; 0 if all that is known of it is imported.")
    death_ms: int | None = Field(description="Its newest death, UTC milliseconds.")
    values: list[ValueOut] = Field(description="Every metric with its newest value.")


KindFilter = Annotated[Text | None, Query(description="Only devices of this kind, for example `cold_room`.")]
ZoneFilter = Annotated[Text | None, Query(description="Only devices in this zone.")]
DeviceLimit = Annotated[int, Query(ge=1, le=_DEVICES_IN_A_PAGE, description="Items in a page, at most.")]
SitePath = Annotated[Text, Path(description="The site.")]
NodePath = Annotated[Text, Path(description="The gateway.")]
DevicePath = Annotated[Text, Path(description="The device.")]


@router.get("/sites", summary="List sites")
def list_sites(services: Wired, _caller: Viewer, cursor: Cursor = None, limit: Limit = 100) -> Page[SiteOut]:
    """Every site that a gateway was ever born in, by name."""
    (after,) = decode(cursor, (str,)) if cursor else ("",)
    with services.reading() as connection:
        found = registry.sites(connection, str(after), limit + 1)
    items = [
        SiteOut(
            site=each.site,
            first_seen_ms=each.first_seen_ms,
            nodes=each.nodes,
            nodes_online=each.nodes_online,
            devices=each.devices,
        )
        for each in found[:limit]
    ]
    return Page(items=items, next=encode((items[-1].site,)) if len(found) > limit else None)


@router.get("/nodes", summary="List gateways with their accounts")
def list_nodes(
    services: Wired, _caller: Viewer, site: SiteFilter = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[NodeOut]:
    """Gateways by site and name, each with what became of its samples."""
    after = decode(cursor, (str, str)) if cursor else None
    with services.reading() as connection:
        found = registry.nodes(connection, Scope(site=site), _pair(after), limit + 1)
        items = _nodes(services, connection, found[:limit])
    last = items[-1] if len(found) > limit else None
    return Page(items=items, next=encode((last.site, last.node)) if last else None)


@router.get("/nodes/{site}/{node}", summary="Show one gateway")
def show_node(services: Wired, _caller: Viewer, site: SitePath, node: NodePath) -> NodeOut:
    """One gateway with its account, losses and doubts."""
    with services.reading() as connection:
        found = _nodes(services, connection, registry.nodes(connection, Scope(site=site, node=node), most=1))
    if not found:
        raise not_found(f"gateway {site}/{node}")
    return found[0]


@router.get("/devices", summary="List devices with their newest values")
def list_devices(  # noqa: PLR0913 - the query parameters of the endpoint
    services: Wired,
    _caller: Viewer,
    site: SiteFilter = None,
    node: NodeFilter = None,
    kind: KindFilter = None,
    zone: ZoneFilter = None,
    cursor: Cursor = None,
    limit: DeviceLimit = 50,
) -> Page[DeviceOut]:
    """Devices by site, gateway and id. A value that is stale says so, with the reason."""
    after = decode(cursor, (str, str, str)) if cursor else None
    scope = Scope(site=site, node=node, kind=kind, zone=zone)
    with services.reading() as connection:
        found = registry.devices(connection, scope, _triple(after), limit + 1)
    items = [_device(services, each) for each in found[:limit]]
    last = items[-1] if len(found) > limit else None
    return Page(items=items, next=encode((last.site, last.node, last.device)) if last else None)


@router.get("/devices/{site}/{node}/{device}", summary="Show one device with its newest values")
def show_device(services: Wired, _caller: Viewer, site: SitePath, node: NodePath, device: DevicePath) -> DeviceOut:
    """One device. A value that is stale says so, with the reason."""
    return _device(services, known_device(services, Scope(site=site, node=node, device=device)))


def known_device(services: Services, scope: Scope) -> KnownDevice:
    """The device that a scope names.

    Raises:
        HTTPException: 404, nobody told of it.
    """
    with services.reading() as connection:
        found = registry.devices(connection, scope, most=1)
    if not found:
        raise not_found(f"device {scope.site}/{scope.node}/{scope.device}")
    return found[0]


def _nodes(services: Services, connection: Connection, found: list[KnownNode]) -> list[NodeOut]:
    keys = [(each.site, each.node) for each in found]
    accounts, losses = ledger.totals(connection, keys), ledger.lost(connection, keys)
    rules = {(each.site, each.node): each for each in taken(connection, keys)}
    unsent = unsendable(in_force(connection, services.rules, services.clock()).rules, keys)
    made = [
        _node(
            each,
            rules.get(key),
            accounts.get(key) or ledger.Account(*key, "", 0, 0, 0, 0),
            losses.get(key) or ledger.Lost(),
            ledger.doubts(connection, each),
        )
        for key, each in zip(keys, found, strict=True)
    ]
    return [each.model_copy(update={"rules_unsent": unsent.get((each.site, each.node), "")}) for each in made]


def _node(
    known: KnownNode, rules: Taken | None, account: ledger.Account, lost: ledger.Lost, doubts: list[ledger.Doubt]
) -> NodeOut:
    return NodeOut(
        site=known.site,
        node=known.node,
        online=known.online,
        proved=known.proved,
        birth_ms=known.birth_ms,
        death_ms=known.death_ms,
        account=AccountOut(
            received=account.received,
            written=account.written,
            dead_lettered=account.dead_lettered,
            duplicate=account.duplicate,
            residue=account.residue,
        ),
        lost=LostOut.model_validate(lost),
        local_rules=None if rules is None else LocalRulesOut.model_validate(rules),
        in_doubt=[DoubtOut(run=each.run, first=each.first, announced=each.announced) for each in doubts],
    )


def _device(services: Services, known: KnownDevice) -> DeviceOut:
    freshness = Freshness(services.clock(), round(services.config.stale_after_s * 1000), services.ingest_fault())
    values = live_values(known, services.store.latest(known.place), freshness)
    return DeviceOut(
        site=known.site,
        node=known.node,
        device=known.description.id,
        kind=known.description.kind,
        zone=known.description.zone,
        labels=dict(known.description.labels),
        buffer_s=None if (tau_ms := tau_of(known.description.labels)) is None else tau_ms // 1000,
        online=known.online and known.node_online,
        retired=known.retired,
        imported=known.imported,
        birth_ms=known.birth_ms,
        death_ms=known.death_ms,
        values=[_value(each, freshness.now_ms) for each in values],
    )


def _value(live: LiveValue, now_ms: int) -> ValueOut:
    return ValueOut(
        metric=live.metric.name,
        value=live.value,
        unit=live.metric.unit,
        quality=None if live.quality is None else _QUALITY[live.quality],
        at_ms=live.at_ms,
        age_ms=live.age_ms(now_ms),
        stale=bool(live.stale),
        stale_reason=live.stale,
        low=live.metric.low,
        high=live.metric.high,
    )


_QUALITY = {Quality.GOOD: "good", Quality.UNCERTAIN: "uncertain", Quality.BAD: "bad"}


def _pair(key: tuple[str | int, ...] | None) -> tuple[str, str] | None:
    return None if key is None else (str(key[0]), str(key[1]))


def _triple(key: tuple[str | int, ...] | None) -> tuple[str, str, str] | None:
    return None if key is None else (str(key[0]), str(key[1]), str(key[2]))
