"""Which callers may ask: a rule on every view, and the gate that enforces it.

A view says ``@requires("usage:write")`` or ``@public``; one that says nothing cannot be registered. Rules are
data, so that a test walks every route with every kind of credential.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Request, current_app, g

from api.addresses import client_address
from api.headers import RATE
from api.state import State, state, this_request
from usage_billing.access.principal import USAGE_WRITE, Principal
from usage_billing.access.tokens import looks_like_token, verify_token
from usage_billing.core.errors import Forbidden, NotAuthenticated

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "access_rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which callers a view admits: services with one of ``scopes``, and with ``users`` customers, for their own data.

    With no scopes the view is public.
    """

    scopes: tuple[str, ...]
    users: bool = False

    @property
    def public(self) -> bool:
        """Whether no credential is needed."""
        return not self.scopes

    def admits(self, principal: Principal) -> bool:
        """Whether ``principal`` may ask at all; the view decides whose data it shows."""
        if principal.customer_id is not None:
            return self.users
        return any(principal.may(scope) for scope in self.scopes)


def requires(*scopes: str, users: bool = False) -> Callable[[View], View]:
    """Only callers with one of ``scopes``; customers' tokens only with ``users``."""
    return _ruled(Rule(scopes, users))


def public(view: View) -> View:
    """Admit every caller, without a credential."""
    return _ruled(Rule(()))(view)


def rule_of(app: Flask, endpoint: str) -> Rule:
    """The rule of a view; raises LookupError when it has none."""
    rule = getattr(app.view_functions[endpoint], _ATTRIBUTE, None)
    if not isinstance(rule, Rule):
        raise LookupError(f"the view {endpoint} says neither @requires nor @public")  # noqa: TRY004
    return rule


def check_every_view_has_a_rule(app: Flask) -> None:
    """Raises LookupError, which stops the start, for a view that says neither @requires nor @public."""
    for endpoint in app.view_functions:
        rule_of(app, endpoint)


def gate() -> None:
    """Before every request: authenticate the caller, count the request, check the view's rule.

    Raises NotAuthenticated (401), Forbidden (403) or TooManyRequests (429).
    """
    asked = this_request()
    if asked.endpoint is None:
        return
    rule = rule_of(current_app, asked.endpoint)
    if rule.public:
        return
    here = state()
    principal = _authenticated(asked, rule, here)
    limit = principal.rate_limit or here.settings.rate_limit
    asked.environ[RATE] = (limit, 0, here.rates.seconds_left())
    left = here.rates.count_request(principal.actor, per_minute=limit)
    asked.environ[RATE] = (limit, left, here.rates.seconds_left())
    if not rule.admits(principal):
        if principal.customer_id is not None and not rule.users:
            raise Forbidden("this is not for customers' tokens", code="missing_scope")
        raise Forbidden(f"this needs the scope {' or '.join(rule.scopes)}", code="missing_scope")
    g.principal = principal


def caller() -> Principal:
    """The caller of this request. Only for views that are not public."""
    principal = g.principal
    assert isinstance(principal, Principal)  # noqa: S101  narrows the type of Flask's untyped g
    return principal


def narrowed(query: dict[str, Any]) -> bool:
    """Narrow a list's ``query`` to what the caller may see: a user sees its own.

    False when it asks for what is another's.
    """
    principal = caller()
    asked = query["customer_id"]
    query["customer_id"] = asked or principal.customer_id
    return asked is None or principal.may_see(asked)


def _ruled(rule: Rule) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        setattr(view, _ATTRIBUTE, rule)
        return view

    return decorate


def _authenticated(request: Request, rule: Rule, here: State) -> Principal:
    """The caller. A credential that holds is admitted however many failures of its address were counted."""
    try:
        credential = credential_of(request)
        if looks_like_token(credential):
            return verify_token(credential, here.token_rules)
        return here.keys.find(credential, trusting=rule.scopes == (USAGE_WRITE,))
    except NotAuthenticated:
        here.rates.count_failure(client_address(request, here.settings.trusted_networks))
        raise


def credential_of(request: Request) -> str:
    """The key or token that a request brings; raises NotAuthenticated for none, or for two."""
    key = str(request.environ.get("HTTP_X_API_KEY", "")).strip()
    scheme, _, bearer = str(request.environ.get("HTTP_AUTHORIZATION", "")).strip().partition(" ")
    bearer = bearer.strip()
    if scheme and (scheme.lower() != "bearer" or not bearer):
        raise NotAuthenticated("the Authorization header must be: Bearer, then a key or a token")
    if key and bearer and key != bearer:
        raise NotAuthenticated("x-api-key and Authorization name different callers", code="contradicting_credentials")
    if not key and not bearer:
        raise NotAuthenticated("give x-api-key: KEY, or Authorization: Bearer with a key or a token")
    return key or bearer
