"""The ledger of wallets: what moves from which account to which, and what of a grant's cost moves with it. Pure.

A transfer has a debit, a credit and one positive amount, so it cannot be out of balance. The parts of a grant's cost
are differences of one running, rounded sum: whatever goes out and comes back, they add up to the cost.

Source: docs/prepaid.md, "The ledger".
"""

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from usage_billing.core.decimals import EXACT
from usage_billing.core.proration import rounded


class Account(StrEnum):
    """The accounts of a wallet; ``grant`` has a balance for each grant, ``owed`` what usage took that none paid for."""

    SOLD = "sold"
    GIVEN = "given"
    GRANT = "grant"
    USED = "used"
    EXPIRED = "expired"
    TAKEN_BACK = "taken_back"
    REFUNDED = "refunded"
    ROLLED_OVER = "rolled_over"
    OWED = "owed"


class TransferKind(StrEnum):
    """Why an amount moves."""

    SOLD = "sold"
    GIVEN = "given"
    USED = "used"
    RETURNED = "returned"
    EXPIRED = "expired"
    TAKEN_BACK = "taken_back"
    REFUNDED = "refunded"
    ROLLED_OUT = "rolled_out"
    ROLLED_BACK = "rolled_back"
    ROLLED_IN = "rolled_in"
    ROLLED_OFF = "rolled_off"


ACCOUNTS: dict[TransferKind, tuple[Account, Account]] = {
    TransferKind.SOLD: (Account.GRANT, Account.SOLD),
    TransferKind.GIVEN: (Account.GRANT, Account.GIVEN),
    TransferKind.USED: (Account.USED, Account.GRANT),
    TransferKind.RETURNED: (Account.GRANT, Account.USED),
    TransferKind.EXPIRED: (Account.EXPIRED, Account.GRANT),
    TransferKind.TAKEN_BACK: (Account.TAKEN_BACK, Account.GRANT),
    TransferKind.REFUNDED: (Account.REFUNDED, Account.GRANT),
    TransferKind.ROLLED_OUT: (Account.ROLLED_OVER, Account.GRANT),
    TransferKind.ROLLED_BACK: (Account.GRANT, Account.ROLLED_OVER),
    TransferKind.ROLLED_IN: (Account.GRANT, Account.ROLLED_OVER),
    TransferKind.ROLLED_OFF: (Account.ROLLED_OVER, Account.GRANT),
}
"""(debit, credit) of each kind."""


def accounts_of(kind: TransferKind, *, owed: bool = False) -> tuple[Account, Account]:
    """(debit, credit) of what moves; of what is ``owed`` that account stands for the grant's."""
    debit, credit = ACCOUNTS[kind]
    if not owed:
        return debit, credit
    return (Account.OWED, credit) if debit == Account.GRANT else (debit, Account.OWED)


def cost_moved(cost: Decimal, amount: Decimal, *, before: Decimal, after: Decimal, places: int) -> Decimal:
    """What of ``cost`` moves when ``after`` instead of ``before`` of a grant's ``amount`` are out of it, from 0.

    10.00 for 3 units: 3.33, 3.34, 3.33. Of a grant that has nothing it is 0.
    """
    if not amount:
        return Decimal(0)
    return abs(EXACT.subtract(_cost_of(cost, amount, after, places), _cost_of(cost, amount, before, places)))


def _cost_of(cost: Decimal, amount: Decimal, out: Decimal, places: int) -> Decimal:
    return rounded(Fraction(cost) * Fraction(out) / Fraction(amount), places)
