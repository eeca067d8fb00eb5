"""The gateway's disk queue; `frostline_gateway.spool.spool` says what holds whatever dies and whenever."""

from frostline_gateway.spool.disk import default_budget
from frostline_gateway.spool.ring import REFETCHES_MAX, Refetch
from frostline_gateway.spool.rows import ROW_COST, Account, AccountDelta, Lost, NewRow, gap_payload, loss_notice
from frostline_gateway.spool.spool import Spool
from frostline_gateway.spool.view import SpoolView

__all__ = [
    "REFETCHES_MAX",
    "ROW_COST",
    "Account",
    "AccountDelta",
    "Lost",
    "NewRow",
    "Refetch",
    "Spool",
    "SpoolView",
    "default_budget",
    "gap_payload",
    "loss_notice",
]
