"""Ingest: a Sparkplug host that turns messages into samples, rules them, stores them and commits them."""
