"""Owns whose pages and documents these are: a name, a logo, two colours, where help is, and a line of law.

Does not own where they are shown: pages are the web's, documents the room's of that name.
"""
