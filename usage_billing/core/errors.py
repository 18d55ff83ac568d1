"""The errors that a person can meet: one tree, which each door turns into its answers in one place.

::

    UsageBillingError
    ├── ConfigurationError     the settings are incomplete or contradict each other
    ├── Unavailable            a database, broker or inbox does not answer; try again later
    ├── NotAuthenticated       no credential, or an invalid one
    ├── Forbidden              a valid credential that does not allow this
    ├── NotFound               no such thing, or none that the caller may see
    ├── Conflict               the request contradicts what is stored
    └── InvalidInput           the request itself is wrong; carries the fields

The API turns each into ``application/problem+json`` with ``code``; the CLI into one line and an exit
code.
"""

from dataclasses import dataclass


class UsageBillingError(Exception):
    """Something a person has to know: ``message`` says what is wrong and, where it can, what to do."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class ConfigurationError(UsageBillingError):
    """The settings are incomplete or contradict each other."""

    code = "configuration_error"


class Unavailable(UsageBillingError):
    """A part that is needed does not answer; nothing was changed, and a later try may succeed."""

    code = "unavailable"


class NotAuthenticated(UsageBillingError):
    """The request carries no credential, or an invalid one."""

    code = "not_authenticated"


class Forbidden(UsageBillingError):
    """The credential is valid, but does not allow this."""

    code = "forbidden"


class NotFound(UsageBillingError):
    """There is no such thing, or it belongs to another customer."""

    code = "not_found"


class Conflict(UsageBillingError):
    """The request contradicts what is stored."""

    code = "conflict"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field. ``pointer`` is an RFC 6901 JSON pointer such as ``/events/3/quantity``."""

    pointer: str
    message: str
    code: str = "invalid"


class InvalidInput(UsageBillingError):
    """The request is wrong in itself; ``fields`` says where."""

    code = "invalid_request"

    def __init__(self, message: str, *, code: str | None = None, fields: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message, code=code)
        self.fields = fields

    def below(self, pointer: str) -> "InvalidInput":
        """The same error, its fields inside what stands at ``pointer``."""
        fields = tuple(FieldError(pointer + field.pointer, field.message, field.code) for field in self.fields)
        return InvalidInput(self.message, code=self.code, fields=fields)

    @classmethod
    def field(cls, pointer: str, message: str, *, code: str = "invalid") -> "InvalidInput":
        """The error of one wrong field."""
        return cls(message, fields=(FieldError(pointer, message, code),))
