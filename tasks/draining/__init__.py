"""Moves waiting recordings from the inbox into the books, batch by batch, and finds one that makes its batch fail."""
