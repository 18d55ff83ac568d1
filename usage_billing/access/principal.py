"""Who is asking, and what they may do. Pure."""

from dataclasses import dataclass

from usage_billing.access.bounds import Bounds
from usage_billing.core.errors import Forbidden

USAGE_WRITE = "usage:write"
USAGE_READ = "usage:read"
BILLING_RUN = "billing:run"
PORTAL_OPEN = "portal:open"
WALLETS_WRITE = "wallets:write"
WEBHOOKS_MANAGE = "webhooks:manage"
ADMIN = "admin"
SCOPES = (USAGE_WRITE, USAGE_READ, BILLING_RUN, PORTAL_OPEN, WALLETS_WRITE, WEBHOOKS_MANAGE, ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller whose credential is valid.

    ``actor`` names the caller in the audit log. ``customer_id`` restricts every read to that customer; with None the
    caller sees all. ``key_number`` stands for the caller's key in the books, 0 for none. ``bounds`` are what the key
    may record, None for everything. ``foreign_sources`` are those that other keys alone may record by, None where that
    was not looked up.
    """

    actor: str
    scopes: frozenset[str]
    customer_id: str | None = None
    rate_limit: int | None = None
    key_number: int = 0
    bounds: Bounds | None = None
    foreign_sources: frozenset[str] | None = None

    def may(self, scope: str) -> bool:
        """Whether the caller holds ``scope``; ``admin`` includes every other."""
        return scope in self.scopes or ADMIN in self.scopes

    def require(self, scope: str) -> None:
        """Raises Forbidden, code ``missing_scope``, when the caller does not hold ``scope``."""
        if not self.may(scope):
            raise Forbidden(f"this needs the scope {scope}", code="missing_scope")

    def may_see(self, customer_id: str) -> bool:
        """Whether the caller may see what belongs to ``customer_id``; to one who may not, it does not exist (404)."""
        return self.customer_id is None or self.customer_id == customer_id
