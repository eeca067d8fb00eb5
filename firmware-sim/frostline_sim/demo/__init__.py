"""The demo: every process of a small fleet on one machine, a door left open, and an account at the end."""
