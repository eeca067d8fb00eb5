"""The page of one device: its values now, and one of them over time, with its virtual buffer."""
