"""The door for people with a browser: the pages of customers, and the first page of all.

Owns templates, the stylesheet, what a browser runs, and who may look at a page. Does not own any figure: each is a
report's, written by ``usage_billing.wire`` as the API writes it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from usage_billing.settings import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The WSGI application of ``api``, with pages; ``settings`` None reads the environment. Connects to nothing yet.

    Raises ConfigurationError when a setting is missing or wrong.
    """
    # Late, as in ``api``.
    from web.app import create_app as put_together

    return put_together(settings)
