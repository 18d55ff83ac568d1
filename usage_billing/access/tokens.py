"""Verifies JSON Web Tokens of users. The algorithm comes from our settings, never from the token's header."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from usage_billing.access.principal import ADMIN, USAGE_READ, Principal
from usage_billing.core.errors import ConfigurationError, NotAuthenticated
from usage_billing.core.identifiers import is_identifier
from usage_billing.settings import Settings

_SYMMETRIC = ("HS256",)
_REQUIRED = ("exp", "aud", "iss", "sub")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
LEEWAY_SECONDS = 10
_MINIMUM_RSA_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """Which tokens hold: signed under ``secret`` or for ``public_key``, of this audience and issuer.

    ``role_claim`` names the claim that makes an administrator, if ``admins`` lets any token do so. A token that holds
    for more than ``max_seconds`` is refused.
    """

    secret: str
    public_key: str
    audience: str
    issuer: str
    role_claim: str = "role"
    max_seconds: int = 86_400
    admins: bool = True

    @classmethod
    def of(cls, settings: Settings) -> "TokenRules":
        """The rules that the settings make."""
        return cls(
            secret=settings.jwt_secret,
            public_key=settings.jwt_public_key,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            role_claim=settings.jwt_role_claim,
            max_seconds=settings.jwt_max_seconds,
            admins=settings.jwt_admin,
        )


def load_what_verifies(settings: Settings) -> None:
    """Load what tokens are verified with, if this service takes any: once, before processes are forked."""
    if settings.jwt_secret or settings.jwt_public_key:
        import jwt  # noqa: F401


def looks_like_token(text: str) -> bool:
    """Whether a bearer credential has the three parts of a JWT, which no key has."""
    return _COMPACT.fullmatch(text) is not None


def verify_token(token: str, rules: TokenRules) -> Principal:
    """The user behind ``token``. Raises NotAuthenticated, whose message gives the reason and no part of the token."""
    key, algorithms = _trusted(rules.secret, rules.public_key)
    import jwt  # late: with cryptography it takes 8 MiB, and a service without tokens never needs them

    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            audience=rules.audience,
            issuer=rules.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(_REQUIRED)},
        )
    except jwt.ExpiredSignatureError as error:
        raise NotAuthenticated("the token has expired", code="token_expired") from error
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise NotAuthenticated("the token does not hold", code="token_invalid") from error
    # Without the time of issue it is taken to be issued now.
    if int(claims["exp"]) - int(claims.get("iat", time.time())) > rules.max_seconds + LEEWAY_SECONDS:
        raise NotAuthenticated("the token holds for longer than a token may", code="token_invalid")
    subject = claims["sub"]
    if not isinstance(subject, str) or not is_identifier(subject):
        raise NotAuthenticated("the token's subject names no customer", code="token_invalid")
    if rules.admins and claims.get(rules.role_claim) == ADMIN:
        return Principal(actor=f"user:{subject}", scopes=frozenset({ADMIN}))
    return Principal(actor=f"user:{subject}", scopes=frozenset({USAGE_READ}), customer_id=subject)


def check_public_key(public_key: str) -> None:
    """Raises ConfigurationError when JWT_PUBLIC_KEY is no public key in PEM form."""
    if public_key:
        _algorithms_for(public_key)


def _trusted(secret: str, public_key: str) -> tuple[str, Sequence[str]]:
    if public_key:
        return public_key, _algorithms_for(public_key)
    if secret:
        return secret, _SYMMETRIC
    raise NotAuthenticated("tokens are not accepted here: use an API key", code="tokens_not_configured")


def _algorithms_for(public_key: str) -> Sequence[str]:
    """The one algorithm that the configured key is made for."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        loaded = load_pem_public_key(public_key.encode())
    except ValueError as error:
        raise ConfigurationError("JWT_PUBLIC_KEY must be a public key in PEM form") from error
    if isinstance(loaded, rsa.RSAPublicKey) and loaded.key_size >= _MINIMUM_RSA_BITS:
        return ("RS256",)
    # ES256 is ECDSA on this curve only: with a key on another curve every token would be refused.
    if isinstance(loaded, ec.EllipticCurvePublicKey) and isinstance(loaded.curve, ec.SECP256R1):
        return ("ES256",)
    if isinstance(loaded, ed25519.Ed25519PublicKey):
        return ("EdDSA",)
    raise ConfigurationError(
        "JWT_PUBLIC_KEY must be for RS256 (of 2048 bits or more), for ES256 (on the curve P-256) or for EdDSA (Ed25519)"
    )
