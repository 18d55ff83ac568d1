"""Tax on what is sold, by simple rules. Pure."""
