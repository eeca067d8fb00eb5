"""What a gateway tells of itself: the metrics of its node that are events, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from frostline_core.reading import DataType

COMMAND: Final = "command"
"""String, JSON: what became of a command."""
CLOCK: Final = "clock"
"""String, JSON: the clock was set, or is believed or no longer believed."""
IDENTITY: Final = "identity"
"""String, JSON: another client seemed to use the gateway's identity, or no longer does."""
CONFLICT: Final = "identity_conflict"
"""Boolean: whether another client seems to use the gateway's identity; the cloud alerts."""
OUTPUT: Final = "output"
"""String, JSON: a local rule has switched an output, or could not."""
LOCAL_RULES: Final = "local_rules"
"""String, JSON: which rules of the cloud are in use (`version`), which are not (`refused`), and why (`reason`)."""
TOLD: Final[Mapping[str, DataType]] = MappingProxyType(
    dict.fromkeys((COMMAND, CLOCK, IDENTITY, OUTPUT, LOCAL_RULES), DataType.STRING) | {CONFLICT: DataType.BOOLEAN}
)
"""All of them, in the order in which births declare them."""
