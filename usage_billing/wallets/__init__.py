"""Owns what customers paid for beforehand: ``wallets``, ``wallet_scopes``, ``wallet_grants``, ``wallet_draws``,
``wallet_transfers`` and ``covered_summaries``.

Does not own which grant pays for what (the rule is prepaid's), usage, or what is charged beyond it.
"""
