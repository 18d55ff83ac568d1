"""How schedules look, by which grants recur. Pure."""

from usage_billing.core.choices import INTERVALS
from usage_billing.core.limits import MAX_COUNT
from usage_billing.wire.kinds import Choice, Flag, Held, Id, Identifier, Instant, Json, Text, Whole
from usage_billing.wire.noun import Field, Noun, One

_NAMES = Json({"type": "array", "items": {"type": "string"}})

INTERVAL = Noun(
    "Interval",
    "A span of time on the calendar.",
    (
        Field("interval", Choice(*INTERVALS), "The interval.", attribute="interval"),
        Field("intervalCount", Whole(minimum=1, maximum=MAX_COUNT), "How many of it.", attribute="intervalCount"),
    ),
)
CARRYING = Noun(
    "Carrying",
    "What of a grant is carried over to the next.",
    (
        Field("max", Held(), "At most so much; null: no such bound.", nullable=True, attribute="max"),
        Field(
            "maxPercent", Whole(maximum=100), "At most so much of it; null: all.", nullable=True, attribute="maxPercent"
        ),
        Field("periods", Whole(maximum=MAX_COUNT), "For how many occurrences it holds.", attribute="periods"),
    ),
    money="currency",
)
SCHEDULE = Noun(
    "Schedule",
    "A grant that recurs: one with each occurrence.",
    (
        Field("id", Id(), "Its id."),
        Field("walletId", Identifier(), "The wallet that its grants are in."),
        Field("category", Choice("promotional", "adjustment"), "That of its grants."),
        Field("priority", Whole(maximum=100), "Grants of a lower one pay first."),
        Field("usageTypes", _NAMES, "The usage types that its grants are for; null: all of the wallet.", nullable=True),
        Field(
            "subscriptionIds",
            _NAMES,
            "The subscriptions that its grants are for; null: all of the wallet.",
            nullable=True,
        ),
        Field("amount", Held(), "How much each grant has, in units or in the wallet's currency."),
        Field("every", One(INTERVAL), "How often it makes a grant.", attribute="schedule.every"),
        Field(
            "anchor",
            Choice("anniversary", "calendar"),
            "Whether occurrences follow its own start or the calendar.",
            attribute="schedule.follows",
        ),
        Field("timezone", Text(64), "The IANA time zone whose calendar counts."),
        Field("startsAt", Instant(), "The first occurrence is then or later."),
        Field("endsAt", Instant(), "From then on there is none; null: it goes on.", nullable=True),
        Field(
            "nextAt", Instant(), "The next occurrence; null: there is none to come.", nullable=True, attribute="next_at"
        ),
        Field(
            "validity",
            One(INTERVAL),
            "How long a grant holds; null: until the next begins, or for ever.",
            nullable=True,
            attribute="schedule.validity",
        ),
        Field("untilNext", Flag(), "Whether a grant holds until the next one begins."),
        Field(
            "rollover",
            One(CARRYING),
            "What is carried over to the next occurrence; null: nothing.",
            nullable=True,
            attribute="rollover",
        ),
        Field("createdAt", Instant(), "When it was made."),
    ),
    row="schedule",
    money="currency",
)
