"""Whether anything that a customer's pages show may have moved: numbers that differ whenever it did."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

# A row that is changed gets a new xmin, which is larger than each before, and so does a row that is new. So the number
# of rows and the sum of their xmin tell every change, also one that leaves each total as it was.
_ALL = "concat_ws(' ', count(*), sum(CAST(CAST({row}.xmin AS text) AS bigint)))"
_TERMS = "(SELECT concat_ws(' ', count(*), sum(version)) FROM subscriptions WHERE customer_id = {customer}) AS terms"
_PLANS = """
    SELECT t.plan_id FROM subscriptions AS s JOIN subscription_terms AS t ON t.subscription_id = s.id
    WHERE s.customer_id = {customer}
"""
# The summaries of one customer are a row for each usage type and period, so all of them are read.
_FIGURES = f"""
    concat_ws(' ',
        (SELECT {_ALL.format(row="u")} FROM subscriptions AS s JOIN usage_summaries AS u ON u.subscription_id = s.id
            WHERE s.customer_id = {{customer}}),
        (SELECT {_ALL.format(row="f")} FROM subscriptions AS s JOIN fee_charges AS f ON f.subscription_id = s.id
            WHERE s.customer_id = {{customer}}),
        (SELECT {_ALL.format(row="c")} FROM subscriptions AS s
            JOIN purchase_charges AS c ON c.subscription_id = s.id AND c.to_charge WHERE s.customer_id = {{customer}}),
        (SELECT {_ALL.format(row="i")} FROM invoices AS i WHERE i.customer_id = {{customer}}),
        (SELECT {_ALL.format(row="b")} FROM credit_balances AS b WHERE b.customer_id = {{customer}}),
        (SELECT concat_ws(' ', {_ALL.format(row="g")},
                count(*) FILTER (WHERE g.effective_at <= :now),
                count(*) FILTER (WHERE least(g.expires_at, g.reset_at) <= :now),
                count(*) FILTER (WHERE g.closes_at <= :now))
            FROM wallets AS w JOIN wallet_grants AS g ON g.wallet_id = w.id WHERE w.customer_id = {{customer}}),
        (SELECT {_ALL.format(row="w")} FROM wallets AS w WHERE w.customer_id = {{customer}}),
        (SELECT concat_ws(' ', {_ALL.format(row="r")}, count(*) FILTER (WHERE r.next_at <= :now))
            FROM wallets AS w JOIN wallet_schedules AS r ON r.wallet_id = w.id WHERE w.customer_id = {{customer}}),
        (SELECT {_ALL.format(row="r")}
            FROM wallets AS w JOIN top_up_rules AS r ON r.wallet_id = w.id WHERE w.customer_id = {{customer}}),
        (SELECT concat_ws(' ', {_ALL.format(row="t")},
                count(*) FILTER (WHERE t.state = 'asked' AND t.expires_at <= :now))
            FROM wallets AS w JOIN wallet_top_ups AS t ON t.wallet_id = w.id WHERE w.customer_id = {{customer}}),
        (SELECT {_ALL.format(row="c")} FROM customers AS c WHERE c.id = {{customer}}),
        (SELECT max(id) FROM usage_quotas),
        (SELECT max(id) FROM plan_versions),
        (SELECT max(id) FROM sellers),
        (SELECT max(id) FROM tax_rates),
        (SELECT {_ALL.format(row="p")} FROM plans AS p WHERE p.id IN ({_PLANS})),
        (SELECT {_ALL.format(row="t")} FROM usage_types AS t
            WHERE t.id IN (SELECT usage_type_id FROM usage_quotas WHERE plan_id IN ({_PLANS}))
            OR t.id IN (SELECT u.usage_type_id FROM subscriptions AS s
                JOIN usage_summaries AS u ON u.subscription_id = s.id WHERE s.customer_id = {{customer}}))
    ) AS figures
"""  # noqa: S608 names of ours

_OF_ONE = text(f"SELECT {_TERMS}, {_FIGURES}".format(customer=":customer"))
MOVED_BESIDE = f"{_TERMS}, {_FIGURES}".format(customer="customers.id")
"""What ``moved`` says, as columns of a statement that reads ``customers`` and knows ``:now``: a round trip less."""


class Moved(NamedTuple):
    """A text that is another whenever a subscription changed, and one that is whenever a figure did."""

    terms: str
    figures: str


def moved(session: Session, customer_id: str, *, now: datetime) -> Moved:
    """What is another whenever usage, terms, prices, invoices, wallets or credit of the customer changed.

    Grants begin and end by the clock, which ``now`` says.
    """
    row = session.execute(_OF_ONE, {"customer": customer_id, "now": now}).one()
    return Moved(row.terms, row.figures)
