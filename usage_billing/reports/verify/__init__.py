"""Proving the books: everything that was computed is computed again, from the recorded usage alone.

Plain SQL and fractions; nothing of the code that wrote the books is called, or both would share its mistakes.
"""
