"""That no page is without a gate: each view of pages is marked by the gate that it stands behind."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask

View = TypeVar("View", bound=Callable[..., Any])

_GATE = "gate_of_the_page"


def gated(view: View) -> View:
    """Mark a view that stands behind a gate, looks at the session itself, or is for every caller."""
    setattr(view, _GATE, True)
    return view


def check_every_page_has_a_gate(app: Flask, blueprint: str) -> None:
    """Raises LookupError, which stops the start, for a view of the blueprint without one."""
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith(f"{blueprint}.") and not getattr(view, _GATE, False):
            raise LookupError(f"the page {endpoint} says no gate")
