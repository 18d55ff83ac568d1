"""Makes the PDFs that are asked for, before a reader waits for them."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from usage_billing.core.clock import utc_now
from usage_billing.core.errors import NotFound, Unavailable
from usage_billing.db.session import transaction
from usage_billing.db.words import plain_words
from usage_billing.documents.layout import OUR_LAYOUT, Layout
from usage_billing.documents.requests import claim, forget, note_failure
from usage_billing.flows.documents.drive_document import keep_pdf, make_pdf, pdf_of

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
    done: _Attempt | None = None
    while True:
        goes_on = time.monotonic() < ends and not stopping()
        with transaction(engine) as session:
            if done is not None:
                made += _store(session, done, layout=layout)
            # One at a time: a long one passes the turn alone, and one that ends its worker uses up no other's attempts.
            ids = claim(session, at_most=1, now=utc_now()) if goes_on else ()
        if not ids:
            return made
        done = _attempt(engine, ids[0], layout=layout)


def make_one(engine: Engine, invoice_id: UUID, *, layout: Layout = OUR_LAYOUT) -> bool:
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
            note_failure(session, invoice_id, plain_words(error), claimed=False, now=utc_now())
        return False
    with transaction(engine) as session:
        forget(session, invoice_id)  # what came too late: asked, or failed, while another kept the PDF
    return True


class _Attempt(NamedTuple):
    """What became of a claim: a PDF, or why there is none."""

    invoice_id: UUID
    content: bytes
    error: str


def _attempt(engine: Engine, invoice_id: UUID, *, layout: Layout) -> _Attempt:
    try:
        return _Attempt(invoice_id, make_pdf(engine, invoice_id, layout=layout).content, "")
    except (NotFound, Unavailable):
        raise
    except Exception as error:
        _log.exception("a PDF could not be made", extra={"invoice": str(invoice_id)})
        return _Attempt(invoice_id, b"", plain_words(error))


def _store(session: Session, done: _Attempt, *, layout: Layout) -> bool:
    """Keep what was made, or note why it could not; whether it was made."""
    if done.error:
        note_failure(session, done.invoice_id, done.error, claimed=True, now=utc_now())
        return False
    keep_pdf(session, done.invoice_id, done.content, layout=layout)
    return True
