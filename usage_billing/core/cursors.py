"""Cursors: where a page ended, as opaque text."""

import json
from base64 import urlsafe_b64encode
from typing import Any


def cursor_text(position: tuple[Any, ...]) -> str:
    """The text that brings the page after ``position``: of names, numbers and ids."""
    text = json.dumps(position, separators=(",", ":"), default=str)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")
