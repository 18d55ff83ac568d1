"""Owns who may do what: ``api_keys``, tokens, scopes. Does not own the answer to a particular request (the doors)."""
