"""Customers and subjects as OpenMeter's clients make them, in our words.

What a customer of ours does not have is refused: it would be lost without a word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import marshmallow as ma

from api.schemas.base import field_errors
from api.schemas.customers import NewCustomerSchema
from usage_billing.core.errors import FieldError, InvalidInput
from usage_billing.customers.service import NewCustomer

_OURS = {"key": "id", "name": "name", "primaryEmail": "email", "billingAddress": "address"}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}
_ATTRIBUTION, _KEYS = "usageAttribution", "subjectKeys"
_MOST = 100


@dataclass(frozen=True, slots=True)
class AskedSubject:
    """A customer that is wanted; ``is_named`` says that its name was given, else it is its id."""

    customer: NewCustomer
    is_named: bool


def customer_of(body: Any) -> NewCustomer:
    """The customer of a body; raises InvalidInput.

    Its ``key`` is our id. Events name it by that: another subject key would be a second name, which none has here.
    """
    given = _given(body, {*_OURS, _ATTRIBUTION}, "")
    keys = _subject_keys(given.pop(_ATTRIBUTION, {}))
    if "key" not in given and len(keys) == 1:
        given["key"] = keys[0]
    if any(key != given.get("key") for key in keys):
        message = "may hold the customer's key alone: events name it by that, or by a subscription's id"
        raise InvalidInput.field(f"/{_ATTRIBUTION}/{_KEYS}", message, code="not_supported")
    return _read({_OURS[name]: value for name, value in given.items()}, "", _THEIRS)


def subjects_of(body: Any) -> list[AskedSubject]:
    """The subjects of a body, a list of up to 100; raises InvalidInput."""
    if not isinstance(body, list) or not 1 <= len(body) <= _MOST:
        raise InvalidInput.field("", f"must be a list of 1 to {_MOST} subjects", code="out_of_range")
    return [_subject(one, f"/{place}") for place, one in enumerate(body)]


def _subject(body: Any, pointer: str) -> AskedSubject:
    given = _given(body, {"key", "displayName"}, pointer)
    said = {"id": given.get("key"), "name": given.get("displayName", given.get("key"))}
    read = _read(
        {name: value for name, value in said.items() if value is not None},
        pointer,
        {"id": "key", "name": "displayName"},
    )
    return AskedSubject(read, "displayName" in given)


def _given(body: Any, known: set[str], pointer: str) -> dict[str, Any]:
    """The members that say something; raises InvalidInput for one that is not kept."""
    if not isinstance(body, dict):
        raise InvalidInput.field(pointer, "must be an object", code="not_an_object")
    found = {name: value for name, value in body.items() if value not in (None, {}, [])}
    strays = [name for name in found if name not in known]
    if strays:
        fields = tuple(FieldError(f"{pointer}/{name[:64]}", "is not kept here", "not_supported") for name in strays)
        raise InvalidInput("some members are not kept here; nothing was made", fields=fields)
    return found


def _subject_keys(attribution: Any) -> list[Any]:
    pointer = f"/{_ATTRIBUTION}"
    keys = _given(attribution, {_KEYS}, pointer).get(_KEYS, [])
    if not isinstance(keys, list):
        raise InvalidInput.field(f"{pointer}/{_KEYS}", "must be a list of texts", code="invalid")
    return keys


def _read(ours: dict[str, Any], pointer: str, names: Mapping[str, str]) -> NewCustomer:
    try:
        made: NewCustomer = NewCustomerSchema().load(ours)
    except ma.ValidationError as error:
        found = field_errors(error.messages_dict)
        raise InvalidInput(
            "some members are wrong", fields=tuple(_by_their(one, pointer, names) for one in found)
        ) from None
    return made


def _by_their(error: FieldError, pointer: str, names: Mapping[str, str]) -> FieldError:
    """The error by the sender's word for the member that is wrong, below ``pointer``."""
    first, *rest = error.pointer.removeprefix("/").split("/")
    where = "/".join((pointer, names.get(first, first), *rest)) if first else pointer
    return FieldError(where, error.message, error.code)
