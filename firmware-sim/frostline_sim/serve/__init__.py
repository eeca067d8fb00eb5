"""Serves a world through real protocols: Modbus, LLRP, the kernel's files, JSON over MQTT."""
