"""The door through which HTTP comes in: parse, ask one flow or report, answer.

Owns the wire format, credentials of a request, problems and documentation. Does not own what a request means.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from usage_billing.settings import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The WSGI application; ``settings`` None reads the environment, and logs unless that is set up.

    Connects to nothing yet. Raises ConfigurationError when a setting is missing or wrong.
    """
    # Late: gunicorn's main process imports this package for its configuration and serves nothing itself.
    from api.app import create_app as put_together

    return put_together(settings)
