"""Whether anything that a customer's pages show may have moved: numbers that differ whenever it did."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

# The summaries of one customer are a row for each usage type and period, so all of them are read.
_TERMS = "(SELECT concat_ws(' ', count(*), sum(version)) FROM subscriptions WHERE customer_id = {customer}) AS terms"
_FIGURES = """
    concat_ws(' ',
        (SELECT concat_ws(' ', count(*), sum(u.events), sum(u.voids), sum(u.total), sum(u.beyond_limit),
                sum(u.allowance))
            FROM subscriptions AS s JOIN usage_summaries AS u ON u.subscription_id = s.id
            WHERE s.customer_id = {customer}),
        (SELECT concat_ws(' ', count(*), sum(total), sum(credit_applied), max(finalized_at), max(paid_at),
                max(voided_at), count(*) FILTER (WHERE status = 'uncollectible'))
            FROM invoices WHERE customer_id = {customer}),
        (SELECT sum(balance) FROM credit_balances WHERE customer_id = {customer}),
        (SELECT max(id) FROM usage_quotas),
        (SELECT max(id) FROM plan_versions),
        (SELECT concat_ws(' ', count(*), sum(g.amount), sum(g.taken_back), sum(g.posted), sum(g.expired),
                count(*) FILTER (WHERE g.effective_at <= :now),
                count(*) FILTER (WHERE least(g.expires_at, g.reset_at) <= :now),
                count(*) FILTER (WHERE g.closes_at <= :now))
            FROM wallets AS w JOIN wallet_grants AS g ON g.wallet_id = w.id
            WHERE w.customer_id = {customer}),
        (SELECT concat_ws(' ', count(*), count(r.ends_at), sum(extract(epoch FROM r.ends_at)), min(r.next_at),
                count(*) FILTER (WHERE r.next_at <= :now))
            FROM wallets AS w JOIN wallet_schedules AS r ON r.wallet_id = w.id WHERE w.customer_id = {customer}),
        (SELECT concat_ws(' ', sum(r.cycle), sum(r.failures))
            FROM wallets AS w JOIN top_up_rules AS r ON r.wallet_id = w.id WHERE w.customer_id = {customer}),
        (SELECT count(*) FROM wallets AS w JOIN wallet_top_ups AS t ON t.wallet_id = w.id
            WHERE w.customer_id = {customer} AND t.state = 'asked' AND t.expires_at <= :now),
        (SELECT max(id) FROM credit_entries WHERE customer_id = {customer})
    ) AS figures
"""

_OF_ONE = text(f"SELECT {_TERMS}, {_FIGURES}".format(customer=":customer"))
_OF_EACH = tuple(text(column.format(customer="customers.id")) for column in (_TERMS, _FIGURES))


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


def moved_beside(now: datetime) -> tuple[TextClause, TextClause]:
    """What ``moved`` says, as columns of a statement that reads ``customers``: a round trip less for each page."""
    terms, figures = _OF_EACH
    return terms, figures.bindparams(now=now)
