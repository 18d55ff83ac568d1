"""What a slice of a billing run did, in a form that adds up to the same sum however the run is sliced. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from usage_billing.billing_runs.pin import Pin
from usage_billing.core.clock import as_text
from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit

DIGESTS = 1 << 256
"""How many digests there are: their sum is taken modulo this."""
_NOTHING = Decimal(0)


@dataclass(slots=True)
class SliceOutcome:
    """Counts, the change of what is charged per currency, and a digest over changed items and what became final.

    ``amounts`` are in units of each currency, and so is ``prepaid``, what grants in money paid of invoices that became
    final: the digest leaves that out, as how it is divided among invoices is no charge. The digest is the sum of the
    hashes of its lines modulo 2**256, so it does not depend on their order or on the slices. ``added`` are the items
    that it put on drafts, and ``rated`` how much it knew of the summaries that it rated.
    """

    subscriptions: int = 0
    invoices: int = 0
    items: int = 0
    finalized: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)
    prepaid: dict[str, Decimal] = field(default_factory=dict)
    digest: int = 0
    warnings: list[dict[str, Any]] = field(default_factory=list)
    added: list[UUID] = field(default_factory=list)
    rated: list[Pin] = field(default_factory=list)

    def add(self, *cause: str, quantity: Decimal, change: Decimal, currency: str) -> None:
        """Note one item written for ``cause``: ``change`` is what it adds to the amount charged so far."""
        self.items += 1
        self.amounts[currency] = EXACT.add(self.amounts.get(currency, _NOTHING), change)
        self._hash(*cause, plain(quantity), plain(change), currency)

    def add_final(
        self,
        subscription: str,
        kind: str,
        closes_at: datetime,
        *,
        total: Decimal,
        currency: str,
        tax: Decimal | None = None,
    ) -> None:
        """Note one invoice that became final, over ``total`` and ``tax``; None where no tax is reckoned."""
        self.finalized += 1
        taxed = () if tax is None else (plain(tax),)
        self._hash("final", subscription, kind, as_text(closes_at), plain(total), *taxed, currency)

    def add_prepaid(self, applied: Decimal, *, currency: str) -> None:
        """Note what grants in money paid of an invoice that became final; below 0 what goes back to them."""
        if applied:
            self.prepaid[currency] = EXACT.add(self.prepaid.get(currency, _NOTHING), applied)

    def warn(self, subscription: str, code: str, detail: str) -> None:
        """Note what could not be done for a subscription, and why."""
        self.warnings.append({"subscriptionId": subscription, "code": code, "detail": detail})

    def _hash(self, *line: str) -> None:
        self.digest = (self.digest + int.from_bytes(sha256("|".join(line).encode()).digest())) % DIGESTS

    def merge(self, other: "SliceOutcome") -> None:
        """Add what another slice did."""
        self.subscriptions += other.subscriptions
        self.invoices += other.invoices
        self.items += other.items
        self.finalized += other.finalized
        for currency, amount in other.amounts.items():
            self.amounts[currency] = EXACT.add(self.amounts.get(currency, _NOTHING), amount)
        for currency, applied in other.prepaid.items():
            self.add_prepaid(applied, currency=currency)
        self.digest = (self.digest + other.digest) % DIGESTS
        self.warnings += other.warnings
        self.added += other.added
        self.rated += other.rated

    def amount_texts(self) -> dict[str, str]:
        """The amounts by currency, as they are shown: with the currency's number of decimals."""
        return _texts(self.amounts)

    def prepaid_texts(self) -> dict[str, str]:
        """What grants in money paid by currency, as it is shown."""
        return _texts(self.prepaid)

    def digest_text(self) -> str:
        """The digest as 64 hexadecimal digits."""
        return f"{self.digest:064x}"

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON, as it is stored with its slice."""
        return {
            "subscriptions": self.subscriptions,
            "invoices": self.invoices,
            "items": self.items,
            "finalized": self.finalized,
            "amounts": {code: str(amount) for code, amount in self.amounts.items()},
            "prepaid": {code: str(amount) for code, amount in self.prepaid.items()},
            "digest": self.digest_text(),
            "warnings": self.warnings,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "SliceOutcome":
        """The outcome that ``to_json`` wrote."""
        return cls(
            subscriptions=stored["subscriptions"],
            invoices=stored["invoices"],
            items=stored["items"],
            finalized=stored["finalized"],
            amounts={code: Decimal(amount) for code, amount in stored["amounts"].items()},
            prepaid={code: Decimal(amount) for code, amount in stored.get("prepaid", {}).items()},
            digest=int(stored["digest"], 16),
            warnings=stored["warnings"],
        )


def _texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {code: money_text(amount, minor_unit(code)) for code, amount in sorted(amounts.items())}
