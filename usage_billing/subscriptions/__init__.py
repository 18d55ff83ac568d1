"""Owns what was agreed: ``subscriptions``, ``subscription_terms``: a customer on a plan, from when until when.

Does not own what was used.
"""
