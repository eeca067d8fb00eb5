"""Simulated devices that speak the real protocols, the worlds they measure, and the demo that shows it all."""
