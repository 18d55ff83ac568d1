"""Owns facts to tell others: ``outbox_messages``, written in the same transaction as what they tell of.

Does not own the telling: a task relays them after the commit.
"""
