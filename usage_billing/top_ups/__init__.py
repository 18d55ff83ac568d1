"""Owns ``top_up_rules`` and ``wallet_top_ups``: by which rule a wallet asks for more, and each time that it did.

Does not own wallets or what is put into them.
"""
