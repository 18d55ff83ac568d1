"""Webhooks: real receivers, and what is sent to them."""
