"""Puts the pages onto the API's application: one process, one port, one gate."""

import logging

from flask import Flask

from api.app import create_app as create_api
from api.auth import check_every_view_has_a_rule
from api.state import state_of
from usage_billing.settings import Settings
from web import assets, front, mail_links
from web.admin import views as _desk  # noqa: F401  it adds its views to the blueprint
from web.admin.blueprint import blp as desk
from web.brand import brand_files
from web.gates import check_every_page_has_a_gate
from web.portal import alert_views, entrance, views  # noqa: F401  they add their views to the blueprint
from web.portal.blueprint import blp as portal

_log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> Flask:
    """The API and the pages.

    Raises ConfigurationError when a setting is missing or wrong; LookupError for a page without a gate.
    """
    app = create_api(settings)
    brand = state_of(app).brand
    assets.init_app(app, brand_files(brand))
    for note in brand.notes:
        _log.warning("%s", note)
    front.init_app(app)
    app.register_blueprint(portal)
    app.register_blueprint(desk)
    app.register_blueprint(mail_links.blp)
    for pages in (portal, desk):
        check_every_page_has_a_gate(app, pages.name)
    check_every_view_has_a_rule(app)
    return app
