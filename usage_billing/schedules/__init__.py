"""Owns ``wallet_schedules``: by what grants recur.

Does not own the grants that they make (wallets), or the calendar of their occurrences (prepaid).
"""
