"""Owns the ways in which recordings of a usage type are counted once more, and what they have come to.

Its tables: ``meters``, ``meter_definitions``, ``meter_series``, ``meter_folds``, ``meter_totals``, ``meter_buckets``,
``meter_values``, ``meter_window_values``, ``meter_levels``.

A meter is a usage type with ``of``: it has summaries, quotas and invoice items like any other. Its numbers are folded
from the books after the recordings are in them, so recording knows nothing of meters.

Does not own recordings, summaries (``metering`` does) or usage types (``catalog`` does).
"""
