"""What all schemas share: unknown fields are refused, and every message carries a code."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import marshmallow as ma

from usage_billing.core.errors import FieldError


class CodedText(str):
    """A message for people with a code for programs."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, message: str, code: str = "invalid") -> "CodedText":
        """``message`` with ``code``."""
        made = super().__new__(cls, message)
        made.code = code
        return made

    def format(self, *args: object, **values: object) -> "CodedText":
        """Format the message as marshmallow does, and keep its code."""
        return CodedText(super().format(*args, **values), self.code)


def wrong(message: str, code: str) -> ma.ValidationError:
    """The error of one field."""
    return ma.ValidationError(CodedText(message, code))


REQUIRED = CodedText("is required", "required")
NOT_NULL = CodedText("must not be null", "required")


class Field(ma.fields.Field[Any]):
    """A field whose two messages of marshmallow's own, required and null, carry codes too."""

    default_error_messages = {"required": REQUIRED, "null": NOT_NULL}


class Schema(ma.Schema):
    """A body, a query or an answer. Names that it does not have are refused."""

    error_messages = {
        "unknown": CodedText("is not a field of this request", "unknown"),
        "type": CodedText("must be an object", "not_an_object"),
    }

    openapi: ClassVar[dict[str, Any]] = {}
    """What the OpenAPI document says of the object beside its fields: which of them need each other."""

    class Meta:
        """Unknown fields are refused, and fields keep their order."""

        unknown = ma.RAISE

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Spell the field on the wire in camelCase; its name here is snake_case."""
        if field_obj.data_key is None:
            first, *rest = field_name.split("_")
            field_obj.data_key = first + "".join(part.title() for part in rest)


class ValueSchema(Schema):
    """A body that a view gets as the value of the domain that it describes, of the type ``builds``."""

    builds: type[Any]

    @ma.post_load
    def build(self, data: dict[str, Any], **_: Any) -> Any:
        """The value, made of a body that is right."""
        return self.builds(**self.arguments(data))

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """What ``builds`` is called with; by its own names, unless a schema spells something in another way."""
        return data


class ChangesSchema(ValueSchema):
    """A body with what changes of a thing: what it does not give stays as it is. Without any change it is refused."""

    @ma.validates_schema
    def something(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a change of nothing."""
        if not data:
            raise ma.ValidationError(CodedText("says nothing to change", "required"))


class OneFieldSchema(Schema):
    """A body of one field, whose value is what a view gets."""

    @ma.post_load
    def value(self, data: dict[str, Any], **_: Any) -> Any:
        """The value of the field."""
        (value,) = data.values()
        return value


def field_errors(messages: Mapping[Any, Any], *, start: str = "", between: str = "/") -> list[FieldError]:
    """marshmallow's tree of messages as a list with pointers."""
    return list(_walk(messages, start, between))


def _walk(messages: Any, pointer: str, between: str) -> Iterator[FieldError]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            below = pointer if name == "_schema" else f"{pointer}{between}{_escaped(str(name))}"
            yield from _walk(inner, below, "/")
    elif isinstance(messages, list):
        for message in messages:
            yield from _walk(message, pointer, "/")
    else:
        yield FieldError(pointer, str(messages), getattr(messages, "code", "invalid"))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
