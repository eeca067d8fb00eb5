"""The process on the Pi: runs the edge, keeps each sample until the cloud has committed it."""
