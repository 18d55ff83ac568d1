"""``usage-billing usage``: single recordings, and taking them back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_thing
from usage_billing.cli.frame.types import REASON
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import NotFound
from usage_billing.wire import noun as wire
from usage_billing.wire.recording import RECORD_STATUS

if TYPE_CHECKING:
    from usage_billing.reports.record_status import RecordStatus

_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@click.group(epilog=example(f"usage show {_ID}"))
def command() -> None:
    """Show recordings, and take them back."""


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


def _shape(id: UUID, found: RecordStatus | None) -> wire.Shape:
    if found is None:
        raise NotFound(f"there is no recording {id} in the books")
    return wire.show(RECORD_STATUS, found)
