"""Owns what is sold: ``plans``, ``plan_versions``, ``usage_types``, ``quantity_definitions``, ``usage_quotas``.

Does not own who bought it (subscriptions) or the arithmetic of prices (rating).
"""
