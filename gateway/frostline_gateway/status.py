"""What the gateway says of itself: one JSON document for people and scripts, and the account with its residues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from frostline_core.errors import UnavailableError
from frostline_edge.driver import DriverConfig
from frostline_edge.supervisor import Health
from frostline_gateway.commands import Commands
from frostline_gateway.config import GatewayConfig
from frostline_gateway.devices import DeviceState
from frostline_gateway.diary import Diary
from frostline_gateway.intake import Intake
from frostline_gateway.spool import Account, AccountDelta, Spool, SpoolView, default_budget
from frostline_gateway.timekeeper import Timekeeper
from frostline_gateway.uplink import Uplink

if TYPE_CHECKING:  # loaded only where there are local rules
    from frostline_gateway.local_rules.local import LocalRules

_NOTHING = AccountDelta()


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything of a running gateway that has something to say.

    Attributes:
        health: Of each supervised task by name; drivers by their own names, `uplink` and `rules`.
        local: The local rules; None where the gateway has no outputs.
    """

    config: GatewayConfig
    spool: Spool
    intake: Intake
    diary: Diary
    uplink: Uplink
    commands: Commands
    keeper: Timekeeper
    clock: Callable[[], int]
    started_ms: int
    health: dict[str, Health] = field(default_factory=dict)
    local: LocalRules | None = None


def snapshot(parts: Parts) -> dict[str, Any]:
    """The state of a running gateway; called from any thread."""
    now_ms = parts.clock()
    devices = parts.intake.devices.states()
    return {
        "site": parts.config.site,
        "node": parts.config.node,
        "version": version("frostline"),
        "running": True,
        "now_ms": now_ms,
        "started_ms": parts.started_ms,
        **_spool(parts, now_ms),
        "clock": parts.keeper.document(),
        "uplink": asdict(parts.uplink.status()) | _health(parts.health.get("uplink")),
        "drivers": [_driver(each, parts.health.get(each.name)) for each in parts.config.driver],
        "devices": [_device(name, each) for name, each in sorted(devices.items())],
        "commands": dict(parts.commands.outcomes),
        "rules": None if parts.local is None else parts.local.document() | _health(parts.health.get("rules")),
        "rejected": {reason.value: count for reason, count in parts.intake.sampler.rejections.items()},
    }


def from_spool(config: GatewayConfig) -> dict[str, Any]:
    """What can be said while the process is down: what the disk holds.

    Raises:
        UnavailableError: There is no spool, or it cannot be read.
    """
    view = Spool.open_read_only(config.spool_path)
    return {
        "site": config.site,
        "node": config.node,
        "version": version("frostline"),
        "running": False,
        "account": account_document(view.account, _NOTHING),
        "spool": _spool_document(config, view, 0),
    }


def account_document(account: Account, unbooked: AccountDelta) -> dict[str, Any]:
    """The account with what is still in memory, and what each hop cannot explain (0 unless there is a bug)."""
    lost = {**account.lost}
    for reason, count in unbooked.lost.items():
        lost[reason] = lost.get(reason, 0) + count
    read, kept = account.read + unbooked.read, account.kept + unbooked.kept
    filtered, rejected = account.filtered + unbooked.filtered, account.rejected + unbooked.rejected
    pending = account.pending + unbooked.kept - sum(unbooked.lost.values())
    return {
        "read": read,
        "kept": kept,
        "filtered": filtered,
        "rejected": rejected,
        "committed": account.committed,
        "pending": pending,
        "lost": sum(lost.values()),
        "lost_by_reason": lost,
        "residue": {
            "sampler": read - kept - filtered - rejected,
            "spool": kept - account.committed - pending - sum(lost.values()),
        },
    }


def _spool(parts: Parts, now_ms: int) -> dict[str, Any]:
    """Account and disk; a disk that does not answer is said so, and takes nothing else with it."""
    try:
        view = parts.spool.view()
    except UnavailableError as error:
        return {"account": None, "spool": {"error": str(error)}}
    found = account_document(view.account, parts.intake.unbooked)
    document = _spool_document(parts.config, view, parts.spool.budget_bytes)
    oldest_ms = document["oldest_ms"]
    age_s = None if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000
    return {
        "account": found,
        "spool": document | {"oldest_age_s": age_s, "written_ms": parts.intake.written_ms, "error": parts.intake.error},
    }


def _spool_document(config: GatewayConfig, view: SpoolView, budget_bytes: int) -> dict[str, Any]:
    return {
        "path": str(config.spool_path),
        "rows": view.held_rows,
        "bytes": view.held_bytes,
        "budget_bytes": budget_bytes or config.spool.budget_bytes or default_budget(config.spool_path),
        "ring_bytes": view.ring_bytes,
        "waiting_samples": view.waiting_samples,
        "oldest_ms": view.oldest_ms,
    }


def _health(health: Health | None) -> dict[str, Any]:
    return asdict(health) if health else {"restarts": 0, "error": "", "given_up": False}


def _driver(config: DriverConfig, health: Health | None) -> dict[str, Any]:
    return {"name": config.name, "type": config.type, **_health(health)}


def _device(name: str, state: DeviceState) -> dict[str, Any]:
    return {
        "id": name,
        "kind": state.description.kind,
        "zone": state.description.zone,
        "online": state.online,
        "reason": state.reason,
        "since_ms": state.since_ms,
        "heard_ms": state.heard_ms,
        "values": {
            metric: {"value": sample.value, "at_ms": sample.at_ms, "quality": int(sample.quality)}
            for metric, sample in list(state.values.items())
        },
    }
