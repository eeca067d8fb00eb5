"""The first page: what needs somebody now, every room with its last hours, and the stock."""
