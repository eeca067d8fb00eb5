"""The canary: a made-up excursion on a schedule through the real path, from MQTT to a receiver."""

from frostline_cloud.notify.canary.figures import Figures, figures
from frostline_cloud.notify.canary.flight import LOOK_EVERY_S, Canary
from frostline_cloud.notify.canary.rule import with_canary

__all__ = ["LOOK_EVERY_S", "Canary", "Figures", "figures", "with_canary"]
