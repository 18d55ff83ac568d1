"""Fields that are text: names compared as bytes, texts for people, addresses, words of a list."""

import re
from typing import Any

from api.schemas.base import CodedText, Field, wrong
from usage_billing.core.countries import is_country
from usage_billing.core.identifiers import (
    IDENTIFIER_PATTERN,
    IDENTIFIER_RULE,
    KEY_RULE,
    NEW_IDENTIFIER_PATTERN,
    NEW_IDENTIFIER_RULE,
    is_identifier,
    is_new_identifier,
    kept_key,
)
from usage_billing.core.limits import MAX_EMAIL, MAX_IBAN, MAX_KEY, MAX_LANGUAGE, MAX_NAME, is_email
from usage_billing.customers.parties import COUNTRY_RULE, IBAN_RULE, LANGUAGE_RULE, iban_of, is_language

_FORBIDDEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_FREE_OF_CONTROLS = r"^[^\u0000-\u001f\u007f]*$"
_NOT_A_TEXT = CodedText("must be a text", "not_a_text")


class Identifier(Field):
    """A name that a caller gives, compared as bytes."""

    openapi = {"type": "string", "pattern": f"^{IDENTIFIER_PATTERN}$"}
    default_error_messages = {"null": _NOT_A_TEXT}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise wrong("must be a text", "not_a_text")
        if not is_identifier(value):
            raise wrong(IDENTIFIER_RULE, "not_an_identifier")
        return value


class NewIdentifier(Identifier):
    """A name that something is given."""

    openapi = {"type": "string", "pattern": f"^{NEW_IDENTIFIER_PATTERN}$"}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        name = super()._deserialize(value, *rest, **more)
        if not is_new_identifier(name):
            raise wrong(NEW_IDENTIFIER_RULE, "not_an_identifier")
        return name


class Key(Field):
    """An idempotency key or a source, as it is kept."""

    openapi: dict[str, Any] = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_KEY,
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
    }
    default_error_messages = {"null": _NOT_A_TEXT}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise wrong("must be a text", "not_a_text")
        kept = kept_key(value)
        if kept is None:
            raise wrong(KEY_RULE, "not_a_key")
        return kept


class Text(Field):
    """Text for people: ``minimum`` to ``maximum`` characters, none of which controls anything."""

    default_error_messages = {"null": _NOT_A_TEXT}

    def __init__(self, *, minimum: int = 1, maximum: int = MAX_NAME, **options: Any) -> None:
        super().__init__(**options)
        self.minimum, self.maximum = minimum, maximum
        self.openapi = {"type": "string", "minLength": minimum, "maxLength": maximum, "pattern": _FREE_OF_CONTROLS}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise wrong("must be a text", "not_a_text")
        if not self.minimum <= len(value) <= self.maximum:
            raise wrong(f"must have {self.minimum} to {self.maximum} characters", "out_of_range")
        if _FORBIDDEN.search(value):
            raise wrong("must not contain NUL, other control characters or lone surrogates", "bad_text")
        return value


class Email(Text):
    """An e-mail address, as far as one can be recognised."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=MAX_EMAIL, **options)
        self.openapi = {"type": "string", "maxLength": MAX_EMAIL, "format": "email"}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        text = super()._deserialize(value, *rest, **more)
        if not is_email(text):
            raise wrong("must be an e-mail address", "not_an_email")
        return text


class Country(Text):
    """The ISO 3166 code of a country."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.openapi = {"type": "string", "pattern": "^[A-Z]{2}$"}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        text = super()._deserialize(value, *rest, **more)
        if not is_country(text):
            raise wrong(COUNTRY_RULE, "unknown_country")
        return text


class Language(Text):
    """A language, perhaps of a country."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=MAX_LANGUAGE, **options)
        self.openapi = {"type": "string", "pattern": "^[a-z]{2,3}(-[A-Z]{2})?$"}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        text = super()._deserialize(value, *rest, **more)
        if not is_language(text):
            raise wrong(LANGUAGE_RULE, "not_a_language")
        return text


class Iban(Text):
    """An account; spaces between its letters are left out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=MAX_IBAN, **options)

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        try:
            return iban_of(super()._deserialize(value, *rest, **more))
        except ValueError:
            raise wrong(IBAN_RULE, "not_an_iban") from None


class CurrencyCode(Text):
    """The code of a currency; the domain knows which there are."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=3, **options)
        self.openapi = {"type": "string", "pattern": "^[A-Z]{3}$"}


class Choice(Field):
    """One of a few words."""

    def __init__(self, *choices: str, **options: Any) -> None:
        super().__init__(**options)
        self.choices = choices
        self.openapi = {"type": "string", "enum": list(choices)}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise wrong(f"must be one of: {', '.join(self.choices)}", "not_a_choice")
        return value
