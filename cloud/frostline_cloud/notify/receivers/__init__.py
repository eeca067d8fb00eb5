"""The kinds of receivers; each is a folder."""
