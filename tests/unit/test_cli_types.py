"""Kinds of arguments of the command line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import click
import pytest

from usage_billing.cli.frame.errors import explain
from usage_billing.cli.frame.http import Client
from usage_billing.cli.frame.output import shown
from usage_billing.cli.frame.times import SPAN, TIME
from usage_billing.cli.frame.types import EMAIL, IDENTIFIER, KEY_NAME, LIMIT, NAME, PRICE, UNIT
from usage_billing.core.clock import instant_text
from usage_billing.core.errors import ConfigurationError, FieldError, InvalidInput, NotFound, Unavailable


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (IDENTIFIER, "a.B-1:_", "a.B-1:_"),
        (NAME, "Ann Example", "Ann Example"),
        (EMAIL, "ann@example.com", "ann@example.com"),
        (TIME, "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        (TIME, "2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (SPAN, "90s", timedelta(seconds=90)),
        (SPAN, "30m", timedelta(minutes=30)),
        (SPAN, "24h", timedelta(days=1)),
        (SPAN, "7d", timedelta(days=7)),
        (PRICE, "0.000000000001", Decimal("0.000000000001")),
        (LIMIT, "50", Decimal(50)),
        (LIMIT, "none", None),
    ],
)
def test_what_is_taken(kind: click.ParamType[Any], text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((IDENTIFIER, text) for text in ("", "a b", "é", "x" * 129, "a/b")),
        *((NAME, text) for text in ("", "x" * 257, "a\nb", "a\x1b[2J", "a\0")),
        (UNIT, "x" * 65),
        (KEY_NAME, "x" * 129),
        *((EMAIL, text) for text in ("ann", "@", "a@", "a b@c", "a@b@c", "a@" + "x" * 320)),
        *(
            (TIME, text)
            for text in ("", "now", "2026-01-31T12:00:00", "2026-02-30", "2026-1-1", "9999-12-31T23:59:59-14:00")
        ),
        *((SPAN, text) for text in ("", "1", "1w", "-1h", "1.5h", "9999999d", "h")),
        *((PRICE, text) for text in ("", "-1", "NaN", "1e400", "1,5", "none", "0.0000000000001")),
        *((LIMIT, text) for text in ("", "None", "-1", "1e16")),
    ],
)
def test_what_is_refused(kind: click.ParamType[Any], text: str) -> None:
    with pytest.raises(click.UsageError):
        kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (NotFound("there is no plan x"), "there is no plan x"),
        (InvalidInput.field("/userId", "is required"), "userId: is required"),
        (InvalidInput("wrong", fields=(FieldError("/a", "1"), FieldError("/b/0", "2"))), "a: 1; b/0: 2"),
        (InvalidInput("wrong as a whole"), "wrong as a whole"),
        (Unavailable("the inbox does not answer", code="inbox_unavailable"), "the inbox does not answer"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), "x.csv: No such file or directory"),
        (OSError("nothing more is known"), "nothing more is known"),
        (RuntimeError("two\nlines   and blanks"), "unexpected RuntimeError: two lines and blanks"),
        (ConfigurationError("a\nb"), "a b"),
    ],
)
def test_whatever_goes_wrong_is_one_line(error: Exception, line: str) -> None:
    assert explain(error) == line


def test_values_in_tables() -> None:
    assert [shown(value) for value in (None, True, False, [], ["a", 1], {"a": None}, {}, "a\tb\x07")] == [
        *("-", "yes", "no", "-", "a, 1", "a=-", "-", "a\\tb\\x07")
    ]
    assert instant_text(datetime(2026, 1, 31, 12, tzinfo=UTC)) == "2026-01-31T12:00:00Z"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "127.0.0.1:5003", ""])
def test_simulate_speaks_http_and_nothing_else(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Client(url, "key")
