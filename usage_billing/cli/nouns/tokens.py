"""Making a JSON Web Token as an identity provider would: for development and tests only."""

from datetime import datetime, timedelta

from usage_billing.access.principal import ADMIN
from usage_billing.settings import Settings


def make_token(settings: Settings, user: str, *, admin: bool, ttl: timedelta, now: datetime) -> str:
    """A token signed with JWT_SECRET that names ``user`` as its subject and holds for ``ttl``."""
    import jwt

    claims: dict[str, object] = {
        "sub": user,
        "aud": settings.jwt_audience,
        "iss": settings.jwt_issuer,
        "iat": now,
        "exp": now + ttl,
    }
    if admin:
        claims[settings.jwt_role_claim] = ADMIN
    return jwt.encode(claims, settings.jwt_secret, algorithm="HS256")
