"""The door through which workers enter: Celery tasks, and the durable inbox that they drain.

A task parses its arguments, opens the transaction, calls one flow and returns. The work to do stands in the inbox and
in the database. A broker message is only a wake-up: if every message is lost, no work is lost.
"""
