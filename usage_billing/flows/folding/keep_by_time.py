"""Has the recordings of a usage type kept by time, once a read of them by time would count too many."""

from sqlalchemy.orm import Session

from usage_billing.meters.service import keep_by_time


def keep_usage_by_time(session: Session, usage_type_id: str) -> None:
    """Have folds keep by time what is recorded of a usage type; the recordings before count too."""
    keep_by_time(session, usage_type_id)
