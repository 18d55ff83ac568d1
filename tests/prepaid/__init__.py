"""Wallets, from the grant to the ledger."""
