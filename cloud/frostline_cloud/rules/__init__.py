"""Rules in the cloud: their versions, and when devices are not in service."""

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
from frostline_cloud.rules.versions import RuleVersion, adopt, numbers, versions

__all__ = [
    "MOST_PAUSES",
    "AssetState",
    "Pause",
    "Pauses",
    "RuleVersion",
    "add_pause",
    "adopt",
    "asset_state",
    "end_pause",
    "numbers",
    "pauses",
    "versions",
]
