"""The pages of gateways: all of them, and one with its account, its losses and its rules."""
