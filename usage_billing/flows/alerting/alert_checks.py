"""What may be said of an alert: what it is for, what it compares, its lines, and how it comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.alerts.states import Basis, Late, Rearm, Watches
from usage_billing.catalog.models import Plan, UsageType
from usage_billing.catalog.queries import get_named, has_currency
from usage_billing.core.decimals import MAX_QUANTITY
from usage_billing.core.errors import InvalidInput
from usage_billing.customers.queries import get_customer
from usage_billing.rating.currency import minor_unit
from usage_billing.subscriptions.queries import get_contract
from usage_billing.wallets.queries import get_wallet
from usage_billing.webhooks.queries import get_endpoint

MOST_LINES = 20
_HUNDRED = Decimal(100)
_SCOPES = {
    Watches.BALANCE: ("walletId", "userId", "all"),
}
_USAGE_SCOPES = ("subscriptionId", "planId", "userId", "all")
_BASES = {
    Watches.PERCENT: (Basis.ALLOWANCE, Basis.WITH_PREPAID, Basis.SPEND),
    Watches.BALANCE: (Basis.GRANTED,),
}


_IN_MONEY = (Watches.AMOUNT, Watches.PROJECTED, Watches.BALANCE)
_WITHOUT_EVERY = {
    Watches.BALANCE: "is for usage: a balance falls to thresholds",
    Watches.PROJECTED: "is for usage: what is foreseen rises and falls",
    Watches.ANOMALY: "is for usage: a day is compared with thresholds",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """A rule to be made: for one of the four, or for ``everything``. ``thresholds`` are ascending.

    ``rearm`` None: as is usual for what it watches.
    """

    watches: str
    id: str | None = None
    subscription_id: str | None = None
    plan_id: str | None = None
    customer_id: str | None = None
    wallet_id: str | None = None
    everything: bool = False
    usage_type: str | None = None
    basis: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    thresholds: Sequence[Decimal] | None = None
    every: Decimal | None = None
    resolve: bool = False
    rearm: str | None = None
    rearm_above: Decimal | None = None
    late: str = Late.TELL
    to: Sequence[str] | None = None
    made_by_customer: bool = False

    @property
    def basis_or_usual(self) -> str | None:
        """What 100 percent are; None where no line is a percentage."""
        return self.basis or (Basis.ALLOWANCE if self.watches == Watches.PERCENT else None)

    @property
    def rearm_or_usual(self) -> str:
        """Whether lines are armed again: those of balances are, and those of usage once a period."""
        return self.rearm or (Rearm.ON_RESOLVE if self.watches == Watches.BALANCE else Rearm.NEVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The lines of a rule, and how they come back. ``in_percent`` of what was granted."""

    watches: str
    thresholds: Sequence[Decimal] | None
    every: Decimal | None
    resolve: bool
    rearm: str
    rearm_above: Decimal | None
    late: str
    currency: str | None
    in_percent: bool


def check_scope(session: Session, new: NewAlert) -> None:
    """Raises InvalidInput unless a rule is for one thing that it may watch; NotFound."""
    named = {
        "subscriptionId": new.subscription_id,
        "planId": new.plan_id,
        "userId": new.customer_id,
        "walletId": new.wallet_id,
        "all": new.everything or None,
    }
    allowed = _SCOPES.get(Watches(new.watches), _USAGE_SCOPES)
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1 or given[0] not in allowed:
        raise InvalidInput.field("/scope", f"must name one: {', '.join(allowed)}", code="contradiction")
    if new.subscription_id is not None:
        get_contract(session, new.subscription_id)
    if new.plan_id is not None:
        get_named(session, Plan, new.plan_id)
    if new.customer_id is not None:
        get_customer(session, new.customer_id)
    if new.wallet_id is not None:
        get_wallet(session, new.wallet_id)
        if new.usage_type is not None:
            raise InvalidInput.field("/usageType", "is what the wallet pays for", code="contradiction")
    if new.usage_type is not None:
        get_named(session, UsageType, new.usage_type)


def check_basis(new: NewAlert) -> None:
    """Raises InvalidInput unless what is said of percentages and money fits what a rule watches."""
    basis = new.basis_or_usual
    allowed = _BASES.get(Watches(new.watches), ())
    if basis is not None and basis not in allowed:
        message = f"must be one of {', '.join(allowed)}, or left out" if allowed else "is for percent and balance"
        raise InvalidInput.field("/basis", message, code="contradiction")
    if (new.amount is not None) != (basis == Basis.SPEND):
        raise InvalidInput.field("/amount", "is what 100 percent of spend are", code="contradiction")
    if new.currency is not None and basis != Basis.SPEND and new.watches not in _IN_MONEY:
        raise InvalidInput.field("/currency", "is for money", code="contradiction")


def currency_of(session: Session, new: NewAlert) -> str | None:
    """The currency of a rule that watches money: that of what it is for, or else the one given.

    Raises InvalidInput where that is another one, or none is given and needed.
    """
    if new.watches not in _IN_MONEY and new.amount is None:
        return None
    if new.watches == Watches.BALANCE and new.wallet_id is None:
        return _currency_of_wallets(new)
    own: str | None = None
    if new.wallet_id is not None:
        own = get_wallet(session, new.wallet_id).currency
    elif new.subscription_id is not None:
        own = get_contract(session, new.subscription_id).currency
    elif new.plan_id is not None:
        own = get_named(session, Plan, new.plan_id).currency
    if new.currency is not None and new.currency != own and (own is not None or new.wallet_id is not None):
        raise InvalidInput.field("/currency", f"is {own or 'none'} there", code="contradiction")
    currency = own or new.currency
    if currency is None and new.wallet_id is None:
        raise InvalidInput.field("/currency", "is needed for money of several plans", code="required")
    if own is None and new.watches != Watches.BALANCE and not has_currency(session, currency):
        raise InvalidInput.field("/currency", f"there is no plan in {currency}", code="contradiction")
    if new.amount is not None and currency is not None:
        if new.amount <= 0:
            raise InvalidInput.field("/amount", "must be greater than 0", code="out_of_range")
        _check_money("/amount", new.amount, currency)
    return currency


def check_lines(lines: Lines) -> None:
    """Raises InvalidInput unless it is thresholds that ascend, or a multiple; in a currency, of its minor unit."""
    thresholds, every = lines.thresholds, lines.every
    if (thresholds is None) == (every is None):
        raise InvalidInput.field("/thresholds", "give either thresholds or every", code="contradiction")
    listed = [("/every", every)] if thresholds is None else [(f"/thresholds/{i}", t) for i, t in enumerate(thresholds)]
    if not 1 <= len(listed) <= MOST_LINES:
        raise InvalidInput.field("/thresholds", f"must be 1 to {MOST_LINES}", code="out_of_range")
    before: Decimal | None = None
    most = _HUNDRED if lines.in_percent else MAX_QUANTITY
    for pointer, line in listed:
        if line is None or not 0 <= line <= most or (not line and lines.watches != Watches.BALANCE):
            raise InvalidInput.field(pointer, f"must be more than 0, and at most {most}", code="out_of_range")
        if before is not None and line <= before:
            raise InvalidInput.field(pointer, "must be greater than the one before it", code="contradiction")
        if lines.currency is not None:
            _check_money(pointer, line, lines.currency)
        before = line
    _check_coming_back(lines, before or Decimal(0))


def named_endpoints(session: Session, ids: Sequence[str] | None) -> list[str] | None:
    """The endpoints of these ids, each of which is there and named once; raises InvalidInput, NotFound."""
    if ids is None:
        return None
    if not ids or len(set(ids)) < len(ids):
        raise InvalidInput.field("/to", "must name at least one endpoint, each once", code="repeated")
    for id in ids:
        get_endpoint(session, id)
    return list(ids)


def _currency_of_wallets(new: NewAlert) -> str | None:
    """Of several wallets: which of them are meant, where their units cannot be compared with one line."""
    if new.currency is not None and new.usage_type is not None:
        raise InvalidInput.field("/currency", "is of wallets in money, which have no usage type", code="contradiction")
    if new.basis is None and new.currency is None and new.usage_type is None:
        message = "is needed for the balances of several wallets, or else usageType, or the basis granted"
        raise InvalidInput.field("/currency", message, code="required")
    return new.currency


def _check_coming_back(lines: Lines, greatest: Decimal) -> None:
    refused = _WITHOUT_EVERY.get(Watches(lines.watches))
    if refused is not None and lines.every is not None:
        raise InvalidInput.field("/every", refused, code="contradiction")
    if lines.every is not None and (lines.resolve or lines.rearm != Rearm.NEVER):
        raise InvalidInput.field(
            "/resolve", "each multiple is told once: nothing of it comes back", code="contradiction"
        )
    if refused is not None and lines.late != Late.TELL:
        raise InvalidInput.field("/late", "is for usage that comes after its period", code="contradiction")
    above = lines.rearm_above
    if above is None:
        return
    if lines.watches != Watches.BALANCE or not (lines.resolve or lines.rearm == Rearm.ON_RESOLVE):
        message = "is for balances whose lines are resolved or armed again"
        raise InvalidInput.field("/rearmAbove", message, code="contradiction")
    if not greatest < above <= MAX_QUANTITY:
        raise InvalidInput.field("/rearmAbove", "must be greater than each threshold", code="out_of_range")
    if lines.currency is not None:
        _check_money("/rearmAbove", above, lines.currency)


def _check_money(pointer: str, value: Decimal, currency: str) -> None:
    if value != round(value, minor_unit(currency)):
        message = f"must have at most {minor_unit(currency)} decimal places in {currency}"
        raise InvalidInput.field(pointer, message, code="not_a_decimal")
