"""Owns the logbook of the daily chain: ``billing_runs``, ``billing_run_slices``, ``billing_run_pins``.

Does not own what a run does (flows).
"""
