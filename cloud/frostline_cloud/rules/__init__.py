"""Rules in the cloud: rows beside files, their versions, and when devices are not in service."""

from frostline_cloud.rules.pauses import (
    MOST_PAUSES,
    AssetState,
    Pause,
    Pauses,
    add_pause,
    asset_state,
    end_pause,
    pauses,
)
from frostline_cloud.rules.rows import (
    Change,
    Rulebook,
    RuleConflictError,
    change_rule,
    create_rule,
    in_force,
    retire_rule,
    upcoming,
)
from frostline_cloud.rules.versions import RuleVersion, adopt, numbers, versions

__all__ = [
    "MOST_PAUSES",
    "AssetState",
    "Change",
    "Pause",
    "Pauses",
    "RuleConflictError",
    "RuleVersion",
    "Rulebook",
    "add_pause",
    "adopt",
    "asset_state",
    "change_rule",
    "create_rule",
    "end_pause",
    "in_force",
    "numbers",
    "pauses",
    "retire_rule",
    "upcoming",
    "versions",
]
