"""Owns who is billed and who bills: ``customers``, ``sellers``.

Does not own what customers agreed to (subscriptions) or what they owe (invoicing).
"""
