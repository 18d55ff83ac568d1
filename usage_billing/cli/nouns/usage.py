"""``usage-billing usage``: single recordings, and taking them back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.listing import example, limit_option, none_of, span_options
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, tell, wide_option
from usage_billing.cli.frame.types import IDENTIFIER, REASON
from usage_billing.cli.nouns.usage_series import series
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import NotFound
from usage_billing.core.spans import Span
from usage_billing.wire import noun as wire
from usage_billing.wire.recording import RECORD, RECORD_STATUS

if TYPE_CHECKING:
    from usage_billing.reports.record_status import RecordStatus

_COLUMNS = ("id", "timestamp", "usageType", "quantity", "beyondLimit")
_FIELDS = {
    "customer": "userId",
    "subscription": "subscriptionId",
    "usage_type": "usageType",
    "quantity": "quantity",
    "timestamp": "timestamp",
    "idempotency_key": "idempotencyKey",
    "source": "source",
}
_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@click.group(epilog=example(f"usage show {_ID}"))
def command() -> None:
    """Record by hand, list and show recordings, and take them back."""


@command.command(
    epilog=example("usage record --customer user123 --subscription sub456 --usage-type assessment --quantity 3")
)
@click.option("--customer", type=IDENTIFIER, required=True, help="Who used it.")
@click.option("--subscription", type=IDENTIFIER, required=True, help="Under which subscription.")
@click.option("--usage-type", type=IDENTIFIER, required=True, help="What was used.")
@click.option("--quantity", help="How many units; needed unless the usage type makes it from the metadata.")
@click.option("--timestamp", help="When, with its offset; else now.")
@click.option("--idempotency-key", help="Recorded again with the same key, it counts once.")
@click.option("--source", type=IDENTIFIER, help="Within which the key is unique.")
@click.option("--metadata", help="A JSON object to keep with it.")
@json_option
def record(*, metadata: str | None, as_json: bool, **given: str | None) -> None:
    """Record one use, straight into the books; no worker is needed.

    Exits 1 if it went to quarantine.
    """
    from usage_billing.catalog.quantity_versions import types_that_make_quantities
    from usage_billing.core.identifiers import new_id
    from usage_billing.flows.recording.record_by_hand import record_by_hand
    from usage_billing.metering.spelling import parse_recording, typed_in
    from usage_billing.reports.record_status import recorded_status

    now = utc_now()
    texts = {_FIELDS[name]: value for name, value in given.items() if value is not None}
    fields = typed_in(texts, metadata)
    with writing() as session:
        making = types_that_make_quantities(session) if "quantity" not in fields else ()
        recording = parse_recording(fields, id=new_id(), received_at=now, is_made=making.__contains__)
        record_by_hand(session, recording, actor=actor(), now=now)
        shape = _shape(recording.id, recorded_status(session, recording.id))
    print_thing(shape, as_json=as_json)
    if shape["status"] == "quarantined":
        raise click.exceptions.Exit(ExitCode.FINDINGS)


@command.command(name="list", epilog=example("usage list sub456 --from 2026-01-01 --to 2026-02-01"))
@click.argument("subscription", type=IDENTIFIER)
@click.option("--usage-type", type=IDENTIFIER, help="Only of this usage type.")
@span_options("what was used")
@limit_option
@wide_option
@json_option
def list_usage(*, subscription: str, usage_type: str | None, span: Span, limit: int, as_json: bool) -> None:
    """List what was recorded under SUBSCRIPTION, by when it was used, newest first."""
    from usage_billing.reports.records import records_of
    from usage_billing.subscriptions.queries import owner_of

    with reading() as session:
        owner_of(session, subscription)  # refuses one that does not exist
        found = records_of(session, subscription, limit=limit, usage_type=usage_type, start=span.start, end=span.end)
        rows = [wire.show(RECORD, row) for row in found.rows]
    if found.last is not None:
        tell(f"These are the first {limit}; --limit shows more.")
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    empty = none_of("recordings", hint="usage-billing usage record --help", usage_type=usage_type, span=span)
    print_rows(shown, as_json=as_json, empty=empty)


@command.command(epilog=example(f"usage show {_ID}"))
@click.argument("id", type=click.UUID)
@json_option
def show(*, id: UUID, as_json: bool) -> None:
    """Show what became of the recording ID, once a worker has had it."""
    from usage_billing.reports.record_status import recorded_status

    with reading() as session:
        shape = _shape(id, recorded_status(session, id))
    print_thing(shape, as_json=as_json)


@command.command(epilog=example(f"usage void {_ID} --reason 'reported by mistake'"))
@click.argument("id", type=click.UUID)
@click.option("--reason", type=REASON, required=True, help="Why; it is kept with the recording.")
@json_option
def void(*, id: UUID, reason: str, as_json: bool) -> None:
    """Take the recording ID back: it counts no more, and what was invoiced of it becomes a credit item."""
    from usage_billing.flows.recording.void_usage import void_usage
    from usage_billing.reports.record_status import recorded_status

    with writing() as session:
        void_usage(session, id, reason=reason, actor=actor(), now=utc_now())
        shape = _shape(id, recorded_status(session, id))
    print_thing(shape, as_json=as_json)


command.add_command(series)


def _shape(id: UUID, found: RecordStatus | None) -> wire.Shape:
    if found is None:
        raise NotFound(f"there is no recording {id} in the books")
    return wire.show(RECORD_STATUS, found)
