"""What a gateway tells of itself beside its batches: its own account."""

from __future__ import annotations

from frostline_core.commit.account import ACCOUNT, GatewayAccount, unpack_account
from frostline_core.sparkplug import DataCame


def account_of(event: DataCame) -> GatewayAccount | None:
    """The account in a message of the node itself; None where there is none.

    Raises:
        ProtocolError: It cannot be read.
    """
    bound = event.view.by_name.get(("", ACCOUNT))
    if bound is None or event.device:
        return None
    for metric in event.message.metrics:
        if metric.alias == bound.alias and metric.string_value:
            return unpack_account(metric.string_value)
    return None
