"""Putting the API together."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.exceptions import NotFound

from api import auth, enqueue, etags, headers, honoured, idempotency, locations, observe, openapi, problems, state
from api.json_provider import ExactJson
from api.views import BLUEPRINTS, PLAIN_BLUEPRINTS
from usage_billing import logs
from usage_billing.access.tokens import check_public_key, load_what_verifies
from usage_billing.settings import Settings


class _App(Flask):
    """Flask without its check for coroutines: it would ask five times a request, and no view or hook of ours is one."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``func`` as it is: it is never a coroutine."""
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application; ``settings`` None reads the environment, and logs unless that is set up.

    Connects to nothing yet. Raises ConfigurationError when a setting is missing or wrong.
    """
    if settings is None:
        settings = Settings.from_environment()
        # A server that does not read api/gunicorn_config.py would serve without a word.
        if not logs.is_configured():
            logs.configure(settings, "api")
    check_public_key(settings.jwt_public_key)
    load_what_verifies(settings)
    # No static folder: views alone answer, because every view has a rule about who may ask.
    app = _App("api", static_folder=None)
    app.json = ExactJson(app)
    # An address with two slashes is none: it is answered 404, and by no redirect, which would name the Host header.
    app.url_map.merge_slashes = False
    app.config |= {
        "MAX_CONTENT_LENGTH": settings.max_body_bytes,
        "PROVIDE_AUTOMATIC_OPTIONS": False,
        "PROPAGATE_EXCEPTIONS": False,
    }
    state.init_app(app, settings)
    enqueue.init_app(app, settings)
    observe.init_app(app)
    headers.init_app(app, origins=settings.allowed_origins)
    app.before_request(_refuse_two_slashes)
    app.before_request(auth.gate)
    honoured.init_app(app)
    problems.init_app(app)
    locations.init_app(app)
    etags.init_app(app)
    api = openapi.init_app(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    for plain in PLAIN_BLUEPRINTS:
        app.register_blueprint(plain)
    auth.check_every_view_has_a_rule(app)
    idempotency.init_app(app)
    app.extensions[openapi.DOCUMENT] = openapi.packed(openapi.document(app, api))
    api.spec = None  # it is of no use any more, and takes some MiB
    return app


def _refuse_two_slashes() -> None:
    """Raises NotFound for an address that begins with two slashes: a gateway's rules by address would not know it."""
    request = state.this_request()
    if request.environ["PATH_INFO"].startswith("//"):
        raise NotFound
