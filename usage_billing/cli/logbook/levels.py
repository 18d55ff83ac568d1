"""How severe a line of a log may be. Pure."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
