"""Modbus TCP, RTU and RTU over TCP: several devices on one bus, each with a profile."""
