"""Owns what is sold: ``plans``, ``usage_types``, ``usage_quotas``.

Does not own who bought it (subscriptions) or the arithmetic of prices (rating).
"""
