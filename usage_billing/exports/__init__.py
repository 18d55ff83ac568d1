"""Owns what finance takes out: which columns an export has, and how its lines are written. No table.

Does not own what the figures mean (invoicing, metering, balances).
"""
