"""A small physical world with a seed and no I/O: cold rooms, a rack, a meter, tagged goods, weather."""
