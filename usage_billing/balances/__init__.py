"""Owns what customers have in hand: ``credit_balances``, ``credit_entries``.

Does not own why (invoicing gives and applies credit).
"""
