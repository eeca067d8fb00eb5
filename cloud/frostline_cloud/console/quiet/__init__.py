"""What is quiet for a while: silences, and devices that are out of service."""
