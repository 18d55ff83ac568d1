"""Answers as marshmallow schemas, made from the descriptions in ``usage_billing.wire``."""

from functools import cache
from typing import Any, ClassVar

import marshmallow as ma

from api.schemas.base import Schema
from api.schemas.fields import (
    Choice,
    Day,
    Email,
    Flag,
    Identifier,
    Instant,
    Passthrough,
    Quantity,
    Text,
    Whole,
)
from api.schemas.numbers import Money
from api.schemas.prices import CURRENCY, PRICE
from usage_billing.wire import kinds
from usage_billing.wire.noun import Field, Many, Noun, One, show
from usage_billing.wire.quarantined import AsSent


class Output(Schema):
    """The schema of an answer. Its fields only describe it for OpenAPI; ``usage_billing.wire`` makes its JSON."""

    noun: ClassVar[Noun]

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """The JSON values of ``obj``, or with ``many`` of each of its elements."""
        if self.many if many is None else many:
            return [show(self.noun, one) for one in obj]
        return show(self.noun, obj)


@cache
def output_of(noun: Noun) -> type[Output]:
    """The schema of an answer that shows ``noun``."""
    fields = {_python_name(field.name): _described(field) for field in noun.fields}
    return type(f"{noun.name}Schema", (Output,), {**fields, "noun": noun, "__doc__": noun.says})


def _python_name(name: str) -> str:
    """A name for the field in the class, where no method of a schema has the same one."""
    return f"{name}_"


def _described(field: Field) -> ma.fields.Field[Any]:
    options: dict[str, Any] = {"data_key": field.name}
    if field.nullable:
        options["allow_none"] = True
    if field.derived:
        options["dump_only"] = True
    elif not field.optional:
        options["required"] = True
    return _field_of(field.kind, options)


def _field_of(kind: kinds.Kind, options: dict[str, Any]) -> ma.fields.Field[Any]:
    """The marshmallow field that describes a kind."""
    found: ma.fields.Field[Any] = _FIELDS[type(kind)](kind, **options)
    return found


def _plain(field: Any) -> Any:
    return lambda _, **options: field(**options)


def _passthrough(openapi: dict[str, Any]) -> Any:
    return lambda _, **options: Passthrough(openapi, **options)


_FIELDS: dict[type[kinds.Kind], Any] = {
    kinds.Identifier: _plain(Identifier),
    kinds.Text: lambda kind, **options: Text(minimum=kind.minimum, maximum=kind.maximum, **options),
    kinds.Email: _plain(Email),
    kinds.Flag: _plain(Flag),
    kinds.Whole: lambda kind, **options: Whole(minimum=kind.minimum, maximum=kind.maximum, **options),
    kinds.Choice: lambda kind, **options: Choice(*kind.words, **options),
    kinds.Either: lambda kind, **options: Choice(kind.no, kind.yes, **options),
    kinds.Words: lambda kind, **options: ma.fields.List(Choice(*kind.of.words), **options),
    kinds.Instant: _plain(Instant),
    kinds.Day: _plain(Day),
    kinds.Quantity: _plain(Quantity),
    kinds.Money: _plain(Money),
    kinds.MoneyOf: _plain(Money),
    kinds.Held: _plain(Quantity),
    kinds.Id: _plain(ma.fields.UUID),
    kinds.Ids: lambda _, **options: ma.fields.List(ma.fields.UUID(), **options),
    kinds.Price: _passthrough(PRICE),
    kinds.Currency: _passthrough(CURRENCY),
    kinds.Json: lambda kind, **options: Passthrough(dict(kind.schema), **options),
    AsSent: lambda kind, **options: Passthrough(dict(kind.schema), **options),
    kinds.Cursor: _passthrough({"type": "string"}),
    kinds.Hash: _passthrough({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
    One: lambda kind, **options: ma.fields.Nested(output_of(kind.noun), **options),
    Many: lambda kind, **options: ma.fields.List(ma.fields.Nested(output_of(kind.noun)), **options),
}
