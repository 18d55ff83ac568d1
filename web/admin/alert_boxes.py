"""The fields of an alert that can be changed later: its lines, how they come back, and whom it is told to."""

from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertRule
from usage_billing.cli.frame.types import QUANTITY
from usage_billing.core.decimals import plain
from usage_billing.webhooks.models import WebhookEndpoint
from usage_billing.wire.alert import LATE, REARMS
from web.admin.forms import MANY, Box
from web.admin.kinds import QUANTITIES

_NO_YES = (("no", "no"), ("yes", "yes"))
USUAL = (("", "as is usual"),)
_WORDS_OF_REARM = {"never": "never again", "on_resolve": "again, once it was back"}
_WORDS_OF_LATE = {"tell": "is told", "silent": "is kept and not told"}


def lines_boxes(known: AlertRule | None = None) -> list[Box]:
    """What lines are asked for, and how they come back, with what is known of them."""
    lines = [] if known is None else sorted(known.thresholds or [])
    every, above = ("", "") if known is None else (_text(known.every), _text(known.rearm_above))
    rearms = tuple((one, _WORDS_OF_REARM[one]) for one in REARMS)
    return [
        Box(
            name="thresholds",
            label="Lines",
            kind=QUANTITIES,
            type="area",
            rows=4,
            required=False,
            value="\n".join(map(plain, lines)),
            help="One a line of the field, ascending: percent, units, money or median deviations.",
        ),
        Box(
            name="every",
            label="Or each multiple of",
            kind=QUANTITY,
            value=every,
            required=False,
            help="Instead of lines, for percent, units and money so far.",
        ),
        Box(
            name="resolve",
            label="Tell also when it comes back",
            type="choice",
            choices=_NO_YES,
            value="yes" if known is not None and known.resolve else "no",
        ),
        Box(
            name="rearm",
            label="A line that was told is told",
            type="choice",
            choices=rearms if known is not None else USUAL + rearms,
            value="" if known is None else known.rearm,
            required=known is not None,
        ),
        Box(
            name="rearmAbove",
            label="A balance is back at",
            kind=QUANTITY,
            value=above,
            required=False,
            help="10 percent over the line, if empty.",
        ),
        Box(
            name="late",
            label="Use that comes after its period",
            type="choice",
            choices=tuple((one, _WORDS_OF_LATE[one]) for one in LATE),
            value="tell" if known is None else known.late,
        ),
    ]


def to_box(session: Session, known: AlertRule | None = None) -> Box:
    """The endpoints to choose from."""
    names = tuple(session.scalars(select(WebhookEndpoint.id).order_by(WebhookEndpoint.id)))
    # An endpoint that is gone since stays named until it is taken out.
    names += tuple(name for name in (known.told_to or ()) if name not in names) if known is not None else ()
    return Box(
        name="to",
        label="Whom it is told to",
        type=MANY,
        choices=tuple((name, name) for name in names),
        chosen=() if known is None else known.told_to or (),
        required=False,
        help="None chosen: all endpoints that want alerts.",
    )


def _text(value: Decimal | None) -> str:
    return "" if value is None else plain(value)
