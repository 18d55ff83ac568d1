"""Owns whom to tell, and what became of telling them: ``webhook_endpoints``, ``webhook_secrets``,
``webhook_deliveries``, ``webhook_attempts``.

Does not own what is told: events and their bodies are those of ``outbox``. No network call is made while a transaction
is open: deliveries are claimed with a lease, sent, and noted.
"""
