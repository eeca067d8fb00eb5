"""Notify: carries notifications from the outbox to receivers until they are delivered or given up."""

from frostline_cloud.notify.build import Tables, build_notify, check_notify
from frostline_cloud.notify.config import CanaryConfig, NotifyConfig, ReceiverConfig, faults_of
from frostline_cloud.notify.oncall import RotationConfig
from frostline_cloud.notify.outbox import UNADDRESSED
from frostline_cloud.notify.plan import Plan
from frostline_cloud.notify.routing import RouteConfig
from frostline_cloud.notify.worker import NotifyWorker

__all__ = [
    "UNADDRESSED",
    "CanaryConfig",
    "NotifyConfig",
    "NotifyWorker",
    "Plan",
    "ReceiverConfig",
    "RotationConfig",
    "RouteConfig",
    "Tables",
    "build_notify",
    "check_notify",
    "faults_of",
]
