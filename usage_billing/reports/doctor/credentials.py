"""Do the credentials hold that callers are configured with? The founding document's second common trouble."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ, USAGE_WRITE
from usage_billing.access.queries import count_keys
from usage_billing.access.service import authenticate
from usage_billing.access.tokens import TokenRules, check_public_key, looks_like_token, verify_token
from usage_billing.core.errors import ConfigurationError, NotAuthenticated
from usage_billing.reports.doctor.finding import FAIL, WARN, Finding, fine
from usage_billing.settings import Settings

_SERVICE = (USAGE_WRITE, USAGE_READ, BILLING_RUN)
_REASONS = {
    "key_invalid": (
        "it is unknown here",
        "issue one with `usage-billing keys create`; if every key fails, USAGE_BILLING_SECRET is not the one that"
        " the keys were issued under",
    ),
    "key_revoked": ("it was revoked", "issue a new one with `usage-billing keys create`"),
    "key_expired": ("it has expired", "issue a new one with `usage-billing keys create`"),
    "token_expired": ("it has expired", "get a new token; for a test: `usage-billing keys token --user ID`"),
    "token_invalid": (
        "its signature, audience or issuer is not what is configured",
        "compare JWT_SECRET or JWT_PUBLIC_KEY, JWT_AUDIENCE and JWT_ISSUER with the service that issues tokens",
    ),
    "tokens_not_configured": ("no tokens are accepted here", "set JWT_SECRET or JWT_PUBLIC_KEY, or use an API key"),
}


def check_credentials(session: Session, settings: Settings, *, test_token: str, now: datetime) -> Iterator[Finding]:
    """Check every key and token of the environment. ``session`` is rolled back, so that no key counts as used."""
    try:
        check_public_key(settings.jwt_public_key)
    except ConfigurationError as error:
        cure = "give the whole PEM text; its lines may be separated by \\n"
        yield Finding("credentials", FAIL, "public_key_invalid", error.message, cure)
        return
    if not settings.secret:
        yield Finding(
            "credentials",
            FAIL,
            "secret_missing",
            "USAGE_BILLING_SECRET is not set: no API key can be recognised",
            "set it to what the API has; a new one makes every issued key void",
        )
        return
    if not count_keys(session):
        cure = "usage-billing keys create --name NAME --scope usage:write"
        yield Finding("credentials", WARN, "no_keys", "no API key was ever issued", cure)
    for name, key, scopes in (
        ("USAGE_BILLING_ADMIN_KEY", settings.admin_key, (ADMIN,)),
        ("INTERNAL_API_KEY", settings.internal_api_key, _SERVICE),
    ):
        if key:
            yield _check(session, settings, name, key, scopes=scopes, now=now)
    if test_token:
        yield _check(session, settings, "TEST_AUTH_TOKEN", test_token, scopes=(), now=now)


def _check(
    session: Session, settings: Settings, name: str, credential: str, *, scopes: tuple[str, ...], now: datetime
) -> Finding:
    try:
        if looks_like_token(credential):
            principal = verify_token(credential, TokenRules.of(settings))
        else:
            principal = authenticate(session, credential, secret=settings.secret, now=now)
    except NotAuthenticated as error:
        reason, cure = _REASONS.get(error.code, (error.message, "see docs/operations.md"))
        return Finding("credentials", FAIL, "credentials_refused", f"the API refuses {name}: {reason}", cure)
    missing = [scope for scope in scopes if not principal.may(scope)]
    if missing:
        message = f"{name} holds, but without {', '.join(missing)}: the API answers 403 to that"
        cure = f"issue one with `usage-billing keys create {' '.join(f'--scope {scope}' for scope in scopes)}`"
        return Finding("credentials", WARN, "scope_missing", message, cure)
    return fine("credentials", f"{name} holds")
