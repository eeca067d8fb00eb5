"""The operator's console: what needs somebody now, every room with its last hours, and the stock."""

from frostline_cloud.console.mounting import mount

__all__ = ["mount"]
