"""Owns the rules of what is prepaid: which grant pays for what, and what a part of a grant cost. Pure.

Does not own wallets, which keep what was decided, or prices, which say what is charged beyond them.
"""
