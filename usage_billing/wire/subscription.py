"""How a subscription and its terms look. Pure."""

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.foreseen import FORESEEN
from usage_billing.wire.kinds import Choice, Flag, Identifier, Ids, Instant, Quantity, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun, One
from usage_billing.wire.quota import QUOTA

TERM = Noun(
    "Term",
    "A span of a subscription on one plan, or paused.",
    (
        Field("planId", Identifier(), "The plan of this span."),
        Field("startsAt", Instant(), "When it begins."),
        Field("endsAt", Instant(), "When it ends, exclusive; null for ever.", nullable=True),
        Field("paused", Flag(), "Whether nothing is charged in it."),
    ),
)

SCHEDULED = Noun(
    "ScheduledChange",
    "A change that is planned.",
    (
        Field("id", Whole(maximum=MAX_BIGINT), "By which it is taken back."),
        Field("at", Instant(), "From when on it holds."),
        Field("kind", Choice("plan", "pause", "resume", "end"), "Another plan, a pause, that it goes on, or its end."),
        Field("planId", Identifier(), "The plan to move to; null for other kinds.", nullable=True),
    ),
)

SUBSCRIPTION = Noun(
    "Subscription",
    "A customer on a plan.",
    (
        Field("id", Identifier(), "The name that the caller gave it."),
        Field("userId", Identifier(), "The customer that pays.", attribute="subscription.customer_id"),
        Field("planId", Identifier(), "The plan that it is on now.", attribute="plan_id"),
        Field("startedAt", Instant(), "From when on its usage counts."),
        Field("endedAt", Instant(), "Until when, exclusive, also while that is to come; null for ever.", nullable=True),
        Field("timezone", Text(64), "The IANA time zone that its periods begin in."),
        Field("anchor", Choice("calendar", "anniversary"), "Whether periods follow the calendar or its own start."),
        Field(
            "anchorDay",
            Whole(minimum=1, maximum=31),
            "The day of the month that its periods begin on; null for the first.",
            nullable=True,
        ),
        Field("createdAt", Instant(), "When it was made."),
        Field("terms", Many(TERM), "Its spans on plans and its pauses, in order.", attribute="terms"),
        Field("scheduled", Many(SCHEDULED), "What is planned and may be taken back, in order.", attribute="scheduled"),
    ),
    row="subscription",
)

KEPT_TERMS = Noun(
    "KeptTerms",
    "What a subscription goes on having of its own.",
    (
        Field("quotas", Many(QUOTA), "Its own quotas that hold then or later."),
        Field("baseFee", Quantity(), "Its own base fee per period; null for its plan's.", nullable=True),
    ),
)

CHANGED_SUBSCRIPTION = Noun(
    "ChangedSubscription",
    "A subscription after a request to change it.",
    (
        *SUBSCRIPTION.fields,
        Field("effectiveAt", Instant(), "From when on the change holds.", attribute="effective_at"),
        Field("own", One(KEPT_TERMS), "What stays of its own.", attribute="own"),
        Field("changed", Flag(), "Whether it changed anything; false where it held already.", attribute="changed"),
        Field(
            "voidedRecordings",
            Whole(),
            "How many recordings after that moment were taken back; their keys stay used.",
            attribute="voided_recordings",
        ),
        Field(
            "replayable",
            Ids(),
            "Up to 100 recordings in quarantine that fit since its start was moved; left out of other changes.",
            optional=True,
            attribute="replayable",
        ),
        Field(
            "foreseen",
            One(FORESEEN),
            "What it would charge and give back, of a dry run, which changes nothing; left out of a real change.",
            optional=True,
            attribute="foreseen",
        ),
    ),
    row="subscription",
)
