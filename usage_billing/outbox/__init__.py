"""Owns facts to tell others, and the bodies of the events that they become: ``outbox_messages``, ``event_bodies``.

A fact is written in the same transaction as what it tells of. Does not own the telling: the relay numbers events after
the commit, and ``webhooks`` sends them.
"""
