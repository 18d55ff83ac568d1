"""The command ``simulate``: usage recorded over HTTP, billed and shown."""
