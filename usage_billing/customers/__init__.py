"""Owns who is billed: ``customers``. Does not own what they agreed to (subscriptions) or what they owe (invoicing)."""
