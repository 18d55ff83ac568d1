"""Base fees in memory: those that are stored, and what would become of them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import count

from usage_billing.invoicing.fees import BilledSpan, DueFee, NewFee, StoredFee, WantingFee

_NOTHING = Decimal(0)


@dataclass(slots=True)
class ForeseenFees:
    """The fees of some subscriptions, one for each segment, by subscription and beginning."""

    stored: Sequence[StoredFee]
    names: dict[str, str] = field(default_factory=dict)
    _fees: dict[tuple[str, datetime], StoredFee] = field(init=False)
    _ids: Iterator[int] = field(default_factory=lambda: count(-1, -1))

    def __post_init__(self) -> None:
        self._fees = {(fee.subscription_id, fee.period_start): fee for fee in self.stored}

    def drop(self, looked: Sequence[BilledSpan], *, keep: Sequence[NewFee]) -> None:
        """As ``drop_other_fees`` does it to the table."""
        kept = {(fee.subscription_id, fee.period_start) for fee in keep}
        for span in looked:
            for key, fee in self._fees.items():
                within = span.since <= fee.period_start and (span.until is None or fee.period_start < span.until)
                if fee.subscription_id == span.subscription_id and within and fee.amount and key not in kept:
                    self._fees[key] = fee._replace(amount=_NOTHING, to_charge=True, frozen=False)

    def put(self, fees: Sequence[NewFee]) -> None:
        """As ``put_fees`` does it to the table."""
        for new in fees:
            key = (new.subscription_id, new.period_start)
            old = self._fees.get(key)
            fee = StoredFee(
                id=next(self._ids) if old is None else old.id,
                subscription_id=new.subscription_id,
                plan_name=self.names.get(new.plan_id, new.plan_id),
                period_start=new.period_start,
                period_end=new.period_end,
                bills_at=new.bills_at,
                amount=new.amount,
                plan_id=new.plan_id,
                description=new.description,
                to_charge=True,
                frozen=False,
            )
            if old is None or (_terms(old) != _terms(fee) and not (old.frozen and _span(old) == _span(fee))):
                self._fees[key] = fee

    def uncharged(self, ids: Collection[str], *, as_of: datetime) -> list[DueFee]:
        """What is to be charged of these subscriptions and began by ``as_of``, in order."""
        due = (f for f in self._fees.values() if f.to_charge and f.subscription_id in ids and f.period_start <= as_of)
        return [DueFee(*fee[:7]) for fee in sorted(due, key=lambda fee: (fee.subscription_id, fee.period_start))]

    def plans(self) -> dict[int, str]:
        """The plan of each fee, by its id."""
        return {fee.id: fee.plan_id for fee in self._fees.values()}

    def wanting(self, ids: Collection[int]) -> list[WantingFee]:
        """What is due of those that are stored otherwise, and of these that are not stored."""
        stored = {fee.id: fee.amount for fee in self.stored}
        return [
            WantingFee(fee.id, fee.subscription_id, fee.period_start, fee.amount)
            for fee in self._fees.values()
            if fee.id in ids or stored.get(fee.id, fee.amount) != fee.amount
        ]

    def settle(self, fees: Sequence[DueFee]) -> None:
        """Charge these no second time."""
        for fee in fees:
            key = (fee.subscription_id, fee.period_start)
            self._fees[key] = self._fees[key]._replace(to_charge=False)


def _terms(fee: StoredFee) -> tuple[object, ...]:
    return fee.plan_id, fee.period_end, fee.bills_at, fee.amount, fee.description


def _span(fee: StoredFee) -> tuple[object, ...]:
    return fee.plan_id, fee.period_end
