"""Device profiles: what a device has at which address, as data files; shared with the simulators."""

from frostline_edge.profiles.model import ByteOrder, Point, PointType, Profile, Table, load, names

__all__ = ["ByteOrder", "Point", "PointType", "Profile", "Table", "load", "names"]
