"""Owns what was agreed: ``subscriptions``, ``subscription_changes`` and the ``subscription_terms`` that
follow from them: a customer on a plan, from when until when. ``term_stamps`` say whether any of that changed.

Does not own what was used.
"""
