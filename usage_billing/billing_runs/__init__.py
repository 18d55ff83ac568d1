"""Owns the logbook of the daily chain: ``billing_runs``, ``billing_run_slices``.

Does not own what a run does (flows).
"""
