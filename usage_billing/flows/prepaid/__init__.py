"""Wallets: making them, granting, which grant pays for what, posting that, and closing grants."""
