"""The page of who is on call."""
