"""Owns who looks at pages: ``portal_sessions`` of customers and ``operator_sessions``, with the codes and cookies that
open them, each kept as a hash.

Does not own what the pages show (``web``), nor the keys that ask for a session (``access``).
"""
