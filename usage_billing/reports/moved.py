"""Whether anything that a customer's pages show may have moved: texts that differ whenever it did."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

# A row that is changed gets another xmin, and so does a row that is new. So the sum of hashes of their xmin tells every
# change, also one that leaves each total as it was. Without the hash two transactions that overlap could leave the sum
# as it was: one row's xmin falls by one, and another's rises by one.
_ALL = "sum(hashtextextended({row}.xmin::text, 0))"
# Of a few rows that are only added to. A number is taken before its row is there, so the largest alone does not do.
_FEW = "(SELECT concat(count(*), ' ', max(id)) FROM {table})"
_OWN, _PLANS, _WALLETS = "ANY(own.ids)", "ANY(on_plans.ids)", "ANY(in_hand.ids)"
# Read once: without OFFSET the planner would write them anew into each place.
_FROM = """
    CROSS JOIN LATERAL (
        SELECT ARRAY(SELECT id FROM subscriptions WHERE customer_id = {customer}) AS ids OFFSET 0
    ) AS own
    CROSS JOIN LATERAL (
        SELECT ARRAY(SELECT plan_id FROM subscription_terms WHERE subscription_id = ANY(own.ids)) AS ids OFFSET 0
    ) AS on_plans
    CROSS JOIN LATERAL (SELECT ARRAY(SELECT id FROM wallets WHERE customer_id = {customer}) AS ids OFFSET 0) AS in_hand
"""


def _rows(table: str, where: str, *by_now: str) -> str:
    """What is another when a row is, or when it begins or ends by the clock: the conditions ``by_now``."""
    counts = "".join(f", ' ', count(*) FILTER (WHERE {one} <= :now)" for one in by_now)
    return f"(SELECT concat({_ALL.format(row='r')}{counts}) FROM {table} r WHERE {where})"  # noqa: S608 names of ours


_VERSIONS = [
    _rows(table, where, "r.effective_from", "r.ended_at")
    for table in ("usage_quotas", "plan_versions")
    for where in (f"r.plan_id = {_PLANS} AND r.subscription_id IS NULL", f"r.subscription_id = {_OWN}")
]
_TYPES = f"""
    ANY(ARRAY(SELECT usage_type_id FROM usage_quotas WHERE plan_id = {_PLANS} AND subscription_id IS NULL
        UNION SELECT usage_type_id FROM usage_quotas WHERE subscription_id = {_OWN}
        UNION SELECT usage_type_id FROM usage_summaries WHERE subscription_id = {_OWN}))
"""  # noqa: S608
# A run that touches nothing but the items of a draft settles a summary, a fee or a purchase with them.
_AGREED = [
    _rows("subscriptions", f"r.id = {_OWN}"),
    _rows("subscription_terms", f"r.subscription_id = {_OWN}"),
    _rows("fee_charges", f"r.subscription_id = {_OWN}"),
    _rows("purchase_charges", f"r.to_charge AND r.subscription_id = {_OWN}"),
    _rows("invoices", "r.customer_id = {customer}", "r.due_at"),
    _rows("credit_balances", "r.customer_id = {customer}"),
    _rows("wallets", f"r.id = {_WALLETS}"),
    _rows("customers", "r.id = {customer}"),
    *_VERSIONS,
    _FEW.format(table="sellers"),
    _FEW.format(table="tax_rates"),
    _rows("plans", f"r.id = {_PLANS}"),
    _rows("usage_types", f"r.id = {_TYPES}"),
    "(SELECT count(*) FROM meter_definitions)",
]
# The summaries of one customer are a row for each usage type and period, so all of them are read.
_FIGURES = [
    _rows("usage_summaries", f"r.subscription_id = {_OWN}"),
    _rows(
        "wallet_grants", f"r.wallet_id = {_WALLETS}", "r.effective_at", "least(r.expires_at, r.reset_at)", "r.closes_at"
    ),
    _rows("wallet_schedules", f"r.wallet_id = {_WALLETS}", "r.next_at"),
    _rows("top_up_rules", f"r.wallet_id = {_WALLETS}"),
    _rows("wallet_top_ups", f"r.wallet_id = {_WALLETS}", "r.state = 'asked' AND r.expires_at"),
]
_COLUMNS = f"concat_ws(',', {', '.join(_AGREED)}) AS agreed, concat_ws(',', {', '.join(_FIGURES)}) AS figures"


def _short(sql: str, customer: str) -> str:
    """A statement for ``customer``; psycopg reads one of more than 4,096 characters anew each time."""
    return " ".join(sql.format(customer=customer).split())


_OF_ONE = text(_short(f"SELECT {_COLUMNS} FROM (SELECT 1) AS one {_FROM}", ":customer"))  # noqa: S608
MOVED_BESIDE, MOVED_FROM = _short(_COLUMNS, "c.id"), _short(_FROM, "c.id")
"""What ``moved`` says, as columns of a statement that knows ``:now``, and what reads them behind ``customers AS c``."""


class Moved(NamedTuple):
    """A text that is another whenever usage moved or what is in wallets, and one that is whenever anything else did.

    ``agreed`` is about all that pages show but running totals: terms, prices, fees, invoices, parties and taxes.
    """

    agreed: str
    figures: str


def moved(session: Session, customer_id: str, *, now: datetime) -> Moved:
    """What is another whenever usage, terms, prices, invoices, wallets or credit of the customer changed.

    Grants and versions begin and end by the clock, which ``now`` says.
    """
    row = session.execute(_OF_ONE, {"customer": customer_id, "now": now}).one()
    return Moved(row.agreed, row.figures)
