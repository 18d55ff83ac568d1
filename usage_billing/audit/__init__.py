"""Owns who did what, and when: ``audit_log``. Does not own whether they were allowed to."""
