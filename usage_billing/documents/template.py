"""The template of invoices that comes with the release."""

from pathlib import Path

VERSION = "4"
"""That of ``invoice.typ``; a kept document says by which it was made."""

FOLDER = Path(__file__).parent
TEMPLATE = FOLDER / "invoice.typ"
