"""Making PDFs of invoices ahead: from rows to kept documents, beside typst alone with the same contents."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Engine, text

import usage_billing.all_models  # noqa: F401  a process that writes knows every table
from benchmarks.report import Figure, rate
from benchmarks.turns import in_turns
from tests.faults.system import System
from tests.money.house import House, day, make_house
from tests.support.billing import bill
from usage_billing.db.session import make_engine, read_only, transaction
from usage_billing.documents.content import Content, content_of
from usage_billing.documents.layout import OUR_LAYOUT
from usage_billing.documents.pdf import render
from usage_billing.documents.queries import read_source
from usage_billing.documents.requests import ask_for
from usage_billing.flows.documents.drive_ahead import make_waiting
from usage_billing.flows.documents.drive_document import make_pdf

PROCESSES = 2
_MONTHS = 10
_TURN = timedelta(minutes=10)


def run(*, quick: bool) -> list[Figure]:
    """Make the PDFs of some invoices by two processes, in turns with typst alone in a loop by two processes."""
    subscriptions, rounds = (6, 1) if quick else (30, 3)
    with TemporaryDirectory(prefix="usage-billing-bench-") as place, System(Path(place) / "home") as system:
        url = system.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        engine = make_engine(url)
        _invoice(make_house(engine), subscriptions)
        with read_only(engine) as session:
            ids = list(session.scalars(text("SELECT id FROM invoices WHERE number IS NOT NULL ORDER BY number")))
            sources = [read_source(session, id) for id in ids]
        contents = [content_of(source.invoice, zone=source.zone) for source in sources]
        seconds = in_turns(
            rounds,
            {
                "made": lambda: _made(engine, url, ids),
                "typst": lambda: _by_all(
                    _typst, [contents[place::PROCESSES] for place in range(PROCESSES)], warm=_Warm(url, ids[0])
                ),
            },
        )
        engine.dispose()
    return [
        Figure(
            what=f"PDFs of {len(ids)} invoices, by two processes, kept",
            measured=rate(len(ids), seconds.middle("made")),
            yardstick=f"{rate(len(ids), seconds.middle('typst'))} typst alone, by two processes",
            value=seconds.ratio("typst", "made"),
            at_least=0.5,
        )
    ]


def _invoice(house: House, subscriptions: int) -> None:
    """Final invoices of ten months, each with a fee and a charge."""
    house.plan("a", fee="7")
    house.quota("a", "0")
    for number in range(subscriptions):
        house.subscribe(f"s{number}")
        for month in range(1, _MONTHS + 1):
            house.use(1000 + number, at=day(3, month=month), name=f"s{number}")
    bill(house.engine, datetime(2026, _MONTHS + 1, 2, tzinfo=UTC), now=datetime.now(UTC))


def _made(engine: Engine, url: str, ids: Sequence[UUID]) -> float:
    with transaction(engine) as session:
        session.execute(text("TRUNCATE invoice_documents, document_requests"))
        ask_for(session, ids)
    seconds = _by_all(_make, [url] * PROCESSES, warm=_Warm(url, ids[0]))
    with read_only(engine) as session:
        kept = session.scalar(text("SELECT count(*) FROM invoice_documents"))
    if kept != len(ids):
        raise RuntimeError(f"{kept} of {len(ids)} documents were made")
    return seconds


def _by_all(work: Callable[[Any], None], given: Sequence[Any], *, warm: "_Warm") -> float:
    """How long processes take for their parts, in seconds. As those of a worker, each of them has made a PDF before."""
    with multiprocessing.get_context("spawn").Pool(len(given)) as pool:
        pool.map(_warm_up, [warm] * len(given), chunksize=1)
        began = time.perf_counter()
        pool.map(work, given, chunksize=1)
        return time.perf_counter() - began


def _typst(contents: Sequence[Content]) -> None:
    for content in contents:
        render(content)


class _Warm(NamedTuple):
    """What a process makes first: an invoice of the books at ``url``."""

    url: str
    invoice_id: UUID


@cache
def _engine(url: str) -> Engine:
    """The engine of this process, which lives as long."""
    return make_engine(url)


def _warm_up(warm: _Warm) -> None:
    make_pdf(_engine(warm.url), warm.invoice_id, layout=OUR_LAYOUT)


def _make(url: str) -> None:
    make_waiting(_engine(url), turn=_TURN)
