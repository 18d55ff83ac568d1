"""Cursors: where a page ended, as opaque text."""

from typing import Any


def cursor_text(position: tuple[Any, ...]) -> str:
    """The text that brings the page after ``position``: of names, numbers and ids."""
    import json  # late, as the help of a command needs no cursor
    from base64 import urlsafe_b64encode

    text = json.dumps(position, separators=(",", ":"), default=str)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")
