"""What `up` itself logs, among the lines of the programs that it watches."""

import logging
from contextlib import suppress

from usage_billing.redaction import redact
from usage_billing.supervisor.console import Console


class ToConsole(logging.Handler):
    """Prints log records on the console, among the lines of the supervised programs."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record. One that cannot be formatted is only in the log file."""
        with suppress(Exception):
            for line in redact(self.format(record)).splitlines():
                self._console.say("up", line)
