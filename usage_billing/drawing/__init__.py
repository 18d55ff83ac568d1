"""Owns ``invoice_prepaid``: it brings wallets in money together with what is charged, so that their grants pay of it.

Does not own wallets, charges, or the rule by which grants pay (prepaid).
"""
