"""What was charged for one cause (a summary or a fee), added up invoice by invoice. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT, plain
from usage_billing.reports.verify.difference import Difference

NOTHING = Decimal(0)
DRAFT, VOID = "draft", "void"
_MOST_VOIDS = 10  # so many void items of a cause make 2**10 bases to try; further ones are ignored


@dataclass(slots=True)
class Ledger:
    """The sums charged for one cause so far.

    Items are entered in the order in which their invoices became final, a draft last. ``stale`` says that the next run
    will rate the cause again.
    """

    stale: bool
    quantity: Decimal = NOTHING
    amount: Decimal = NOTHING
    drafted: Decimal = NOTHING
    _voided: list[tuple[Decimal, Decimal]] = field(default_factory=list)

    def enter(self, item: Any, *, billable: Decimal | None, due: Decimal | None) -> Iterator[Difference]:
        """Compare an item with what was due when it was written; None where the books do not tell that."""
        subject = f"item:{item.id}"
        # The next run brings a draft up to date; until then its base may include an invoice that is void by now.
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
        """Compare what all standing invoices charge with what is ``due``, unless the ledger is stale."""
        charged = EXACT.add(self.amount, self.drafted)
        if not self.stale and charged != due:
            message = f"{plain(charged)} is charged over all invoices, {plain(due)} is due"
            yield Difference(f"{subject.partition(':')[0]}_charged", subject, message)

    def _bases(self) -> set[tuple[Decimal, Decimal]]:
        """The (quantity, amount) pairs that an item may have started from.

        An earlier invoice that is void now may have stood when the item was written, so every choice of them counts.
        """
        bases = {(self.quantity, self.amount)}
        for quantity, amount in self._voided[:_MOST_VOIDS]:
            bases |= {(EXACT.add(base[0], quantity), EXACT.add(base[1], amount)) for base in bases}
        return bases
