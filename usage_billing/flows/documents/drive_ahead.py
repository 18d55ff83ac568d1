"""Makes the PDFs that are asked for, before a reader waits for them."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine

from usage_billing.core.clock import utc_now
from usage_billing.core.errors import NotFound, Unavailable
from usage_billing.db.session import transaction
from usage_billing.db.words import plain_words
from usage_billing.documents.layout import OUR_LAYOUT, Layout
from usage_billing.documents.requests import claim, forget, note_failure
from usage_billing.flows.documents.drive_document import pdf_of

_log = logging.getLogger(__name__)


def make_waiting(
    engine: Engine,
    *,
    turn: timedelta,
    layout: Layout = OUR_LAYOUT,
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Make PDFs that wait, the oldest first, for about a ``turn``; returns how many were made.

    One that cannot be made is noted, and the others are made.
    """
    ends, made = time.monotonic() + turn.total_seconds(), 0
    while time.monotonic() < ends and not stopping():
        # One at a time: a long one passes the turn alone, and one that ends its worker uses up no other's attempts.
        with transaction(engine) as session:
            ids = claim(session, at_most=1, now=utc_now())
        if not ids:
            break
        made += make_one(engine, ids[0], layout=layout, claimed=True)
    return made


def make_one(engine: Engine, invoice_id: UUID, *, layout: Layout = OUR_LAYOUT, claimed: bool = False) -> bool:
    """Make the PDF of a final invoice and keep it, unless it is kept already; whether that could be done.

    Why it could not is noted. Raises NotFound, and Unavailable.
    """
    try:
        pdf_of(engine, invoice_id, layout=layout)
    except (NotFound, Unavailable):
        raise
    except Exception as error:
        _log.exception("a PDF could not be made", extra={"invoice": str(invoice_id)})
        with transaction(engine) as session:
            note_failure(session, invoice_id, plain_words(error), claimed=claimed, now=utc_now())
        return False
    with transaction(engine) as session:
        forget(session, invoice_id)  # what came too late: asked, or failed, while another kept the PDF
    return True
