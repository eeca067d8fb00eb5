"""One folder a driver; adding a folder is all that adding a driver takes (see `frostline_edge.driver`)."""
