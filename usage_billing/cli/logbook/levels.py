"""How severe a line of a log may be. Pure."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

PROCESSES = ("api", "worker", "beat", "up", "cli")
"""The names by which processes sign their lines."""
