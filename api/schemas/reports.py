"""What is asked of reports for finance."""

from typing import Any

from api.schemas.base import Field, wrong
from api.schemas.fields import Choice, CurrencyCode
from api.schemas.paging import SpanQuery
from usage_billing.reports.prepaid import By
from usage_billing.reports.revenue import RevenueBy

_ONCE = "".join(f"(?!.*{one}.*{one})" for one in RevenueBy)


class PrepaidReportQuery(SpanQuery):
    """Which span, which currency (all unless given), and what a line is of."""

    currency = CurrencyCode(load_default=None)
    by = Choice(*By, load_default=By.CURRENCY)


class RevenueKeys(Field):
    """What the lines are told apart by, with commas between, each once."""

    openapi = {
        "type": "string",
        "pattern": f"^{_ONCE}({'|'.join(RevenueBy)})(,({'|'.join(RevenueBy)})){{0,{len(RevenueBy) - 1}}}$",
        "examples": ["month,plan"],
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[RevenueBy]:
        names = str(value).split(",")
        for index, name in enumerate(names):
            if name not in set(RevenueBy):
                raise wrong(f"must be some of: {', '.join(RevenueBy)}", "not_a_choice")
            if name in names[:index]:
                raise wrong(f"names {name} twice", "repeated")
        return [RevenueBy(name) for name in names]


class RevenueQuery(SpanQuery):
    """Which span, which currency (all unless given), and what the lines are told apart by."""

    currency = CurrencyCode(load_default=None)
    by = RevenueKeys(load_default=lambda: [RevenueBy.MONTH])
