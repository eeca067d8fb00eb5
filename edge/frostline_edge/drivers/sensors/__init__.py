"""Sensors that the Linux kernel shows as files: 1-Wire, hwmon, IIO; and door contacts."""
