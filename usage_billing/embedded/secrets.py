"""The secrets of a stack that has no configuration: made at its first start, kept in ``home/secrets.json``."""

import json
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

from usage_billing.core.errors import ConfigurationError
from usage_billing.embedded.files import PRIVATE, write_private
from usage_billing.settings import DEVELOPMENT_PREFIX

FILE = "secrets.json"
SECRET_BYTES = 32
PREFIX_LENGTH = 8


def make_key() -> str:
    """An API key ``ub_PREFIX_SECRET``: 8 letters or digits to find it by, then 32 random bytes in base64url."""
    alphabet = string.ascii_lowercase + string.digits
    prefix = "".join(secrets.choice(alphabet) for _ in range(PREFIX_LENGTH))
    return f"ub_{prefix}_{_random_text()}"


def make_development_secret() -> str:
    """A secret marked as one for development: every start but that of `up` refuses it, because a file holds it."""
    return DEVELOPMENT_PREFIX + _random_text()


def _random_text() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def _secret(env: str, make: Callable[[], str]) -> str:
    value: str = field(repr=False, metadata={"env": env, "make": make})
    return value


@dataclass(frozen=True, slots=True)
class Secrets:
    """One value for each variable that ``up`` may have to fill in; ``fresh`` names those made just now."""

    secret: str = _secret("USAGE_BILLING_SECRET", make_development_secret)
    jwt_secret: str = _secret("JWT_SECRET", make_development_secret)
    admin_key: str = _secret("USAGE_BILLING_ADMIN_KEY", make_key)
    internal_api_key: str = _secret("INTERNAL_API_KEY", make_key)
    flower_password: str = _secret("FLOWER_PASSWORD", _random_text)
    fresh: frozenset[str] = frozenset()


def load_or_make(home: Path) -> Secrets:
    """Read ``home/secrets.json`` and make what is missing in it; the home must exist.

    Raises ConfigurationError when the file is there but is not ours: overwriting it would lock out its keys.
    """
    path = home / FILE
    kept = _read(path) if path.exists() else {}
    entries = {item.metadata["env"]: item for item in fields(Secrets) if "env" in item.metadata}
    fresh = {env: item.metadata["make"]() for env, item in entries.items() if env not in kept}
    values = kept | fresh
    if fresh:
        write_private(path, json.dumps(values, indent=2) + "\n")
    elif path.stat().st_mode & 0o077:
        path.chmod(PRIVATE)
    named = {item.name: values[env] for env, item in entries.items()}
    return Secrets(**named, fresh=frozenset(fresh))


def kept_secret(home: Path) -> str:
    """The USAGE_BILLING_SECRET that an earlier `up` made for ``home``; '' where there is none. Makes nothing."""
    path = home / FILE
    return _read(path).get("USAGE_BILLING_SECRET", "") if path.exists() else ""


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); restore it, or delete it") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) and value for value in found.values()):
        raise ConfigurationError(f"{path} must be an object of texts; restore it, or delete it")
    return found
