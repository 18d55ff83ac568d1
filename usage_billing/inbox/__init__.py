"""Owns the tables of the inbox on PostgreSQL: ``inbox_entries``, ``inbox_shards``; empty when it is on Redis.

Does not own what is done with them (tasks), nor anything in the books: what waits here is accepted, not yet counted.
"""
