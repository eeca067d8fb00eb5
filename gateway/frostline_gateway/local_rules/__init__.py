"""Rules that are evaluated on the gateway and drive its outputs, with or without the cloud."""
