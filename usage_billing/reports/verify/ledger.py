"""What was charged for one cause, a summary or a fee, invoice by invoice. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT, plain
from usage_billing.reports.verify.difference import Difference

NOTHING = Decimal(0)
DRAFT, VOID = "draft", "void"
_MOST_VOIDS = 10  # more on one cause are not told apart


@dataclass(slots=True)
class Ledger:
    """Items are entered in the order in which their invoices became final, a draft last."""

    stale: bool
    quantity: Decimal = NOTHING
    amount: Decimal = NOTHING
    drafted: Decimal = NOTHING
    _voided: list[tuple[Decimal, Decimal]] = field(default_factory=list)

    def enter(self, item: Any, *, billable: Decimal | None, due: Decimal | None) -> Iterator[Difference]:
        """Compare an item with what was due then; None means that it cannot be told."""
        subject = f"item:{item.id}"
        # A draft is only brought up to date by the next run; until then it may rest on an invoice now void.
        settled = not (item.status == DRAFT and self.stale)
        bases = self._bases()
        if settled and item.charged_before not in {base[1] for base in bases}:
            message = (
                f"it rests on {plain(item.charged_before)} charged before, the earlier items give {plain(self.amount)}"
            )
            yield Difference("item_charged_before", subject, message)
        if settled and billable is not None and item.quantity not in {billable - base[0] for base in bases}:
            message = f"its quantity is {plain(item.quantity)}, its usage gives {plain(billable - self.quantity)}"
            yield Difference("item_quantity", subject, message)
        if due is not None and item.amount != due - item.charged_before:
            message = f"its amount is {plain(item.amount)}, {plain(due)} was due, {plain(item.charged_before)} charged"
            yield Difference("item_amount", subject, message)
        if item.status == DRAFT:
            self.drafted = EXACT.add(self.drafted, item.amount)
        elif item.status == VOID:
            self._voided.append((item.quantity, item.amount))
        else:
            self.quantity = EXACT.add(self.quantity, item.quantity)
            self.amount = EXACT.add(self.amount, item.amount)

    def close(self, subject: str, due: Decimal) -> Iterator[Difference]:
        """Billing has seen the cause as it is: over all standing invoices exactly what is due must be charged."""
        charged = EXACT.add(self.amount, self.drafted)
        if not self.stale and charged != due:
            message = f"{plain(charged)} is charged over all invoices, {plain(due)} is due"
            yield Difference(f"{subject.partition(':')[0]}_charged", subject, message)

    def _bases(self) -> set[tuple[Decimal, Decimal]]:
        """What an item may rest on: an earlier invoice that is void now was perhaps not void yet."""
        bases = {(self.quantity, self.amount)}
        for quantity, amount in self._voided[:_MOST_VOIDS]:
            bases |= {(EXACT.add(base[0], quantity), EXACT.add(base[1], amount)) for base in bases}
        return bases
