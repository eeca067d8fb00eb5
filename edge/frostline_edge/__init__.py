"""Reads the field: drivers, device profiles and the sampler. It knows core, and nothing of spool, uplink or cloud."""
