"""Owns what workers and beat tell of themselves: ``process_heartbeats``, a row for each process that is at work, and
``work_counters``, what all workers together did since the beginning.

Does not own the work: runs, recordings and messages have rows of their own.
"""
