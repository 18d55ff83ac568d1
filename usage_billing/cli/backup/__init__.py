"""The commands ``backup`` and ``restore``: what was accepted, counted and charged, in a folder.

Owns the folder's form and the order of the copies. The inbox is copied first, then the database: a recording that is
drained in between is then in both, and its id keeps it from being counted twice.
"""
