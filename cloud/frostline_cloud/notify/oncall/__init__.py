"""On call: whose turn it is, by the calendar, and who covers for whom."""

from frostline_cloud.notify.oncall.config import Every, OverrideConfig, RotationConfig
from frostline_cloud.notify.oncall.override import Override
from frostline_cloud.notify.oncall.rotation import Duty, Rotation

__all__ = ["Duty", "Every", "Override", "OverrideConfig", "Rotation", "RotationConfig"]
