"""The door through which workers enter: Celery tasks, and the durable inbox that they drain.

A task parses, opens the transaction, calls one flow and returns. What is to be done stands in the inbox and in
the database; a message is a wake-up, and losing every one of them loses nothing.
"""
