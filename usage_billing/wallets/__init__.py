"""Owns what customers paid for beforehand: ``wallets``, ``wallet_scopes``, ``wallet_grants``, ``wallet_draws``,
``wallet_transfers``, ``covered_summaries`` and ``past_grants``.

Does not own which grant pays for what (the rule is prepaid's), usage, or what is charged beyond it.
"""
