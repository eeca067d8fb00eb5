"""Grouping: what belongs together is told together, in one message that says what is new."""

from frostline_cloud.notify.grouping.config import GroupConfig
from frostline_cloud.notify.grouping.group import Group, Standing, labels_of, next_look

__all__ = ["Group", "GroupConfig", "Standing", "labels_of", "next_look"]
