"""When a change takes effect, on the wire."""

from typing import Any

import marshmallow as ma

from api.schemas.base import wrong
from api.schemas.fields import Instant
from usage_billing.subscriptions.moments import NOW, PERIOD_END


class Moment(Instant):
    """``now``, ``period_end``, or a time."""

    openapi: dict[str, Any] = {"anyOf": [{"type": "string", "enum": [NOW, PERIOD_END]}, Instant.openapi]}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> Any:
        if value in (NOW, PERIOD_END):
            return value
        try:
            return super()._deserialize(value, *rest, **more)
        except ma.ValidationError as error:
            if [getattr(message, "code", "") for message in error.messages] != ["not_a_time"]:
                raise
            raise wrong(f"must be {NOW}, {PERIOD_END} or an RFC 3339 time", "not_a_time") from error
