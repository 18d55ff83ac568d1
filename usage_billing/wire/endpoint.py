"""How endpoints, deliveries and their attempts look. Pure."""

from usage_billing.core.limits import MAX_BIGINT, MAX_EMAIL, MAX_LANGUAGE, MAX_URL
from usage_billing.wire.event import VERSIONS
from usage_billing.wire.event_type import EVERY, EventType
from usage_billing.wire.kinds import Choice, Flag, Id, Identifier, Instant, Json, Text, Whole
from usage_billing.wire.noun import Field, Many, Noun

STATES = ("waiting", "sent", "failed", "held", "dropped")
_TYPES = Json({"type": "array", "items": {"type": "string", "enum": [EVERY, *map(str, EventType)]}})
_COUNT = Whole(maximum=MAX_BIGINT)
_ENDPOINT = (
    Field("id", Identifier(), "Its id."),
    Field("kind", Choice("webhook", "email"), "How it is told: by a signed request, or by mail."),
    Field("url", Text(maximum=MAX_URL), "Where it is; null for mail.", nullable=True),
    Field(
        "to",
        Json({"oneOf": [{"const": "customer"}, {"type": "array", "items": {"type": "string"}}]}),
        "The addresses of mail, or `customer` for each customer's own; null for a webhook.",
        nullable=True,
        attribute="to",
    ),
    Field(
        "language",
        Text(maximum=MAX_LANGUAGE),
        "The language of mail for those who said none; null: the seller's.",
        nullable=True,
    ),
    Field("types", _TYPES, 'The types of events that it is told; `["*"]` for all.', attribute="types"),
    Field(
        "userId",
        Identifier(),
        "The one customer whose events it is told; null for all.",
        nullable=True,
        attribute="endpoint.customer_id",
    ),
    Field("version", Choice(*VERSIONS), "By which version the bodies are made."),
    Field("ordered", Flag(), "Whether the events of a customer wait for each other."),
    Field(
        "ratePerSecond", Whole(minimum=1, maximum=1000), "How many a second at most; null: as they come.", nullable=True
    ),
    Field("description", Text(), "What it is, in words.", nullable=True),
    Field("status", Choice("active", "disabled"), "Whether it is told; what a disabled one misses is held."),
    Field(
        "disabledReason",
        Choice("by_hand", "failing", "gone"),
        "Why it is disabled: by hand, after five days of failures, or by a 410.",
        nullable=True,
    ),
    Field("disabledAt", Instant(), "Since when it is disabled.", nullable=True),
    Field("failingSince", Instant(), "Since when every try failed; null after a success.", nullable=True),
    Field("waiting", _COUNT, "How many events are to be sent.", attribute="waiting"),
    Field("held", _COUNT, "How many events are held until it is enabled.", attribute="held"),
    Field("createdAt", Instant(), "When it was made."),
)
ENDPOINT = Noun("WebhookEndpoint", "Whom to tell of events.", _ENDPOINT, row="endpoint")
ISSUED_ENDPOINT = Noun(
    "IssuedWebhookEndpoint",
    "An endpoint and its new secret.",
    (
        *_ENDPOINT,
        Field(
            "secret",
            Text(),
            "The secret to verify with, shown this once; null for mail.",
            nullable=True,
            attribute="secret",
        ),
    ),
    row="endpoint",
)
SECRETS = Noun(
    "WebhookSecrets",
    "The secrets that deliveries are signed with.",
    (
        Field(
            "secrets",
            Json({"type": "array", "items": {"type": "string"}}),
            "The newest first; two during a rotation.",
        ),
    ),
)
_DELIVERY = (
    Field("id", Id(), "Its id."),
    Field("eventId", Text(), "The event.", attribute="event_id"),
    Field("type", Choice(*EventType), "The event's type.", attribute="type"),
    Field("endpointId", Identifier(), "The endpoint."),
    Field(
        "userId",
        Identifier(),
        "The customer of the event; null for none.",
        nullable=True,
        attribute="delivery.customer_id",
    ),
    Field(
        "recipient",
        Text(maximum=MAX_EMAIL),
        "The address of a mail; null for a webhook, and where it is the customer's own.",
        nullable=True,
        attribute="recipient",
    ),
    Field("state", Choice(*STATES), "What became of it so far."),
    Field("tries", Whole(), "How often it was tried, since it was asked for last."),
    Field("nextAt", Instant(), "When it is tried next, or was to be."),
    Field("replayId", Id(), "The replay that asked for it; null for none.", nullable=True),
    Field("createdAt", Instant(), "When it was made."),
)
DELIVERY = Noun("WebhookDelivery", "One event for one endpoint.", _DELIVERY, row="delivery")
ATTEMPT = Noun(
    "WebhookAttempt",
    "One try.",
    (
        Field("at", Instant(), "When."),
        Field("status", Whole(maximum=999), "The status of the answer; null without one.", nullable=True),
        Field("milliseconds", _COUNT, "How long it took."),
        Field("error", Text(), "Why there was no answer; null with one.", nullable=True),
        Field("answer", Text(maximum=4096), "The first 4 KiB of what it answered.", nullable=True),
    ),
)
TRIED_DELIVERY = Noun(
    "TriedWebhookDelivery",
    "One event for one endpoint, with every try of the last 30 days.",
    (*_DELIVERY, Field("attempts", Many(ATTEMPT), "The tries, the first first.", attribute="attempts")),
    row="delivery",
)
ASKED_AGAIN = Noun(
    "EventsAskedAgain",
    "What is sent again.",
    (Field("deliveries", _COUNT, "To how many endpoints."),),
)
REPLAY = Noun(
    "WebhookReplay",
    "Events that are sent again, behind what is new.",
    (
        Field("replayId", Id(), "Its id, which its deliveries have."),
        Field("deliveries", _COUNT, "How many events."),
    ),
)
TESTED = Noun(
    "TestedWebhookEndpoint",
    "That a test is on its way.",
    (Field("endpointId", Identifier(), "The endpoint; its deliveries show what becomes of it."),),
)
