"""On call: whose turn it is, by the calendar; pure."""

from frostline_cloud.notify.oncall.config import Every, OverrideConfig, RotationConfig
from frostline_cloud.notify.oncall.rotation import Duty, Rotation

__all__ = ["Duty", "Every", "OverrideConfig", "Rotation", "RotationConfig"]
