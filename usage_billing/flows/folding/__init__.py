"""Counts recordings into meters, from the books, after they are in them."""
