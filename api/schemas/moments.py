"""When a change takes effect, on the wire."""

from typing import Any

import marshmallow as ma

from api.schemas.base import wrong
from api.schemas.fields import Instant
from usage_billing.core.choices import Effective
from usage_billing.subscriptions.moments import NOW, PERIOD_END


class _WordOrTime(Instant):
    """One of a few words, or a time."""

    words: tuple[str, ...] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.openapi: dict[str, Any] = {"anyOf": [{"type": "string", "enum": list(self.words)}, Instant.openapi]}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(value, str) and value in self.words:
            return value
        try:
            return super()._deserialize(value, *rest, **more)
        except ma.ValidationError as error:
            if [getattr(message, "code", "") for message in error.messages] != ["not_a_time"]:
                raise
            raise wrong(f"must be {', '.join(self.words)} or an RFC 3339 time", "not_a_time") from error


class Moment(_WordOrTime):
    """``now``, ``period_end``, or a time."""

    words = (NOW, PERIOD_END)


class EffectiveMoment(_WordOrTime):
    """When a version takes effect: ``next_period``, ``period``, ``now``, ``start``, or a time."""

    words = tuple(str(word) for word in Effective if word != Effective.INSTANT)
