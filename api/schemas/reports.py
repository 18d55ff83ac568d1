"""What is asked of reports for finance."""

from api.schemas.fields import Choice, CurrencyCode
from api.schemas.paging import SpanQuery
from usage_billing.reports.prepaid import By


class PrepaidReportQuery(SpanQuery):
    """Which span, which currency (all unless given), and what a line is of."""

    currency = CurrencyCode(load_default=None)
    by = Choice(*By, load_default=By.CURRENCY)
