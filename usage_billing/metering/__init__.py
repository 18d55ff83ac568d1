"""Owns what was used: ``usage``, ``usage_duplicates``, ``usage_voids``, ``usage_summaries``, ``quarantined_usage``.

Does not own the allowance (catalog), the price (rating) or what was charged (invoicing).
"""
