"""Puts the pages onto the API's application: one process, one port, one gate."""

from flask import Flask

from api.app import create_app as create_api
from api.auth import check_every_view_has_a_rule
from usage_billing.settings import Settings
from web import assets, front
from web.portal import entrance, views  # noqa: F401  they add their views to the blueprint
from web.portal.blueprint import blp as portal
from web.portal.gate import check_every_page_has_a_gate


def create_app(settings: Settings | None = None) -> Flask:
    """The API and the pages.

    Raises ConfigurationError when a setting is missing or wrong; LookupError for a page without a gate.
    """
    app = create_api(settings)
    app.register_blueprint(assets.blp)
    front.init_app(app)
    app.register_blueprint(portal)
    check_every_page_has_a_gate(app, portal.name)
    check_every_view_has_a_rule(app)
    return app
