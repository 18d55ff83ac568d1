"""Owns what the last clean proof found in the books, ``proven_summaries``. Does not own the proof itself.

``usage-billing verify --changed`` compares every row anew with it, so it is no watermark: a row that is changed, added
or gone shows, however old it is.
"""
