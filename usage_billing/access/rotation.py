"""How long a rotated key holds beside its successor. Pure."""

from datetime import timedelta

DEFAULT_OVERLAP = timedelta(days=1)
"""Unless the caller says otherwise."""
