"""What may be put into a wallet, or taken out of it."""

from decimal import Decimal

from usage_billing.core.errors import InvalidInput
from usage_billing.core.money import round_to_minor_unit
from usage_billing.rating.currency import minor_unit
from usage_billing.wallets.models import Wallet


def check_places(wallet: Wallet, amount: Decimal, *, pointer: str = "/amount") -> None:
    """Refuse an amount of money that has more places than its currency; raises InvalidInput."""
    if wallet.currency is not None and round_to_minor_unit(amount, minor_unit(wallet.currency)) != amount:
        message = f"must have at most {minor_unit(wallet.currency)} decimal places in {wallet.currency}"
        raise InvalidInput.field(pointer, message, code="not_a_decimal")
