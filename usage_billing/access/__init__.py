"""Owns who may do what: ``api_keys``, tokens, scopes, and ``admin_requests``: what was answered to whom.

Does not own the answer to a particular request (the doors).
"""
