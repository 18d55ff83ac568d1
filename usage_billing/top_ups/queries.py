"""Reads and locks the rules of top-ups."""

from collections.abc import Collection

from sqlalchemy import ARRAY, Text, any_, bindparam, select
from sqlalchemy.orm import Session

from usage_billing.top_ups.models import TopUpRule

# One array for all names: every drain asks, and a parameter for each customer would cost more than the answer.
_HOLDING = (
    select(TopUpRule)
    .where(TopUpRule.customer_id == any_(bindparam("customers", type_=ARRAY(Text))), TopUpRule.ended_at.is_(None))
    .order_by(TopUpRule.wallet_id)
    .with_for_update(key_share=True)
)


def lock_rules(session: Session, customer_ids: Collection[str]) -> list[TopUpRule]:
    """Lock the rules of these customers' wallets until the transaction ends, by wallet id."""
    asked = {"customers": list(customer_ids)}
    return list(session.scalars(_HOLDING, asked, execution_options={"populate_existing": True}))


def lock_rule(session: Session, wallet_id: str) -> TopUpRule | None:
    """Lock the rule of one wallet, ended or not; None where it never had one."""
    statement = select(TopUpRule).where(TopUpRule.wallet_id == wallet_id).with_for_update(key_share=True)
    return session.scalars(statement, execution_options={"populate_existing": True}).first()
