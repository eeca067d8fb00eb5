"""Load for benchmarks: many valid Sparkplug edge nodes at a set rate."""
