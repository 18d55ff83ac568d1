"""Proving the books: everything that was computed is computed again, from the recorded usage alone.

It uses plain SQL and fractions. It calls no code that wrote the books: both would share a mistake.
"""
