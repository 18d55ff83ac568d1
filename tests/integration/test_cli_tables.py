"""Tables on a terminal of 80 columns: every list command, with ids as long as they may be."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from sqlalchemy import Engine

from tests.integration.conftest import Cli
from tests.integration.test_cli_frame import ALL
from tests.support.events import relayed
from usage_billing.cli.frame.table import field_lines, table_lines

LISTS = [names for names in ALL if names[-1] == "list"]
NOUNS = ("customer", "sub", "plan", "type", "wallet", "endpoint", "package", "alert")
CUSTOMER, SUBSCRIPTION, PLAN, KIND, WALLET, ENDPOINT, PACKAGE, ALERT = (
    f"{kind}-{'x' * 100}-of-{kind}" for kind in NOUNS
)
NAME = "A company with a name of many words that no table has room for, and Söhne"


@pytest.fixture
def long_ids(cli: Cli, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Something in every list, under ids of more than 100 characters, on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    quota = ("quotas", "create", "--plan", PLAN, "--usage-type", KIND, "--limit", "50", "--unit-price", "10.123456789")
    record = ("usage", "record", "--customer", CUSTOMER, "--usage-type", KIND, "--quantity", "53.000000000001")
    sold = ("--currency", "KWD", "--amount", "1000000", "--price", "99999.999", "--validity", "12 month")
    rates = tmp_path / "rates.csv"
    rates.write_text("country,category,rate,effectiveFrom\nDE,S,19,2021-01-01\n")
    for command in (
        ("taxes", "import", str(rates)),
        ("customers", "create", CUSTOMER, "--name", NAME, "--email", f"{'a' * 50}@example.com"),
        ("plans", "create", PLAN, "--name", NAME, "--currency", "KWD", "--base-fee", "99999.999"),
        ("usage-types", "create", KIND, "--unit-name", "u" * 60),
        quota,
        ("subscriptions", "create", SUBSCRIPTION, "--customer", CUSTOMER, "--plan", PLAN, "--started", "2026-01-01"),
        (*quota, "--subscription", SUBSCRIPTION, "--currency", "KWD"),
        ("wallets", "create", WALLET, "--customer", CUSTOMER, "--unit", "u" * 60, "--usage-type", KIND),
        ("wallets", "create", f"{WALLET}-in-money", "--customer", CUSTOMER, "--currency", "KWD"),
        ("endpoints", "create", ENDPOINT, "--url", f"https://1.1.1.1/{'x' * 100}", "--customer", CUSTOMER),
        ("alerts", "create", ALERT, "--customer", CUSTOMER, "--usage-type", KIND, "--on", "units", "--at", "50"),
        ("packages", "create", PACKAGE, "--name", NAME, "--unit", "u" * 60, "--usage-type", KIND, *sold),
        (*record, "--subscription", SUBSCRIPTION, "--idempotency-key", "k" * 200),
        ("keys", "create", "--name", NAME, "--scope", "usage:write", "--scope", "usage:read", "--scope", "billing:run"),
    ):
        assert cli(*command).code == 0, command
    assert cli(*record, "--subscription", SUBSCRIPTION + "y").code == 1
    assert cli("bill").code == 0
    relayed(engine)
    return cli


@pytest.mark.parametrize("names", LISTS, ids=" ".join)
def test_lists_fit_80_columns_and_break_no_word(long_ids: Cli, names: tuple[str, ...]) -> None:
    more = (SUBSCRIPTION,) if names[0] == "usage" else ()
    narrow = long_ids(*names, *more)
    rows = long_ids(*names, *more, "--json").json
    assert rows
    assert narrow.code == 0
    assert [line for line in narrow.out.splitlines() if cell_len(line) > 80] == []
    known = words_of(rows)
    assert [word for word in re.split(r"[\s─]+", narrow.out) if not any(fits(word, whole) for whole in known)] == []
    wide = long_ids(*names, *more, "--wide")
    assert wide.code == 0
    assert len(wide.out.splitlines()) == len(rows) + 2
    assert "…" not in wide.out
    assert str(rows[0]["id"]) in wide.out


def words_of(value: Any) -> set[str]:
    """Every word that a table may show of what ``--json`` shows: of texts, numbers, times, names and their headings."""
    if isinstance(value, dict):
        headings = {word for name in value for word in re.sub("([A-Z])", r" \1", name).lower().split()}
        pairs = {f"{name}={word}" for name, item in value.items() for word in words_of(item)}
        return headings | pairs | {word for item in value.values() for word in words_of(item)}
    if isinstance(value, list):
        return {word for item in value for word in words_of(item)}
    to_the_second = re.sub(r"(T\d\d:\d\d:\d\d)\.\d+Z", r"\1Z", str(value))
    return {"", "-", "yes", "no", *to_the_second.split()}


def fits(shown: str, whole: str) -> bool:
    """Whether ``shown`` is ``whole``, or its beginning and its end, or one of several separated by commas."""
    begin, cut, end = shown.rstrip(",").partition("…")
    if not cut:
        return begin == whole.rstrip(",")
    is_id = len(whole) > 14 and not re.fullmatch(r"[\d.]+|.*=.*|[a-z_]{1,24}", whole)
    return is_id and whole.startswith(begin) and whole.endswith(end)


def test_a_pipe_without_a_size_counts_as_80_columns(long_ids: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    assert max(map(cell_len, long_ids("invoices", "list").out.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "400")
    assert CUSTOMER in long_ids("invoices", "list").out


TABLE = [("one", "a12345678901234567890123456789", "12.50"), ("two", "short", "-3")]


def test_what_fits_is_shown_whole() -> None:
    assert table_lines(("name", "id", "amount"), TABLE, 44) == [
        "name  id                              amount",
        "────  ──────────────────────────────  ──────",
        "one   a12345678901234567890123456789  12.50",
        "two   short                           -3",
    ]


def test_ids_are_shortened_in_the_middle_and_numbers_never() -> None:
    assert table_lines(("name", "id", "amount"), TABLE, 25)[2:] == [
        "one   a1234…56789  12.50",
        "two   short        -3",
    ]


def test_prose_is_wrapped_between_words() -> None:
    rows = [("one", "some words that are too long for it")]
    assert table_lines(("name", "what"), rows, 24)[2:] == [
        "one   some words that",
        "      are too long for",
        "      it",
    ]


def test_what_does_not_fit_side_by_side_comes_in_blocks() -> None:
    rows = [("123456789012345.123456789012", "2026-01-01T00:00:00Z", "a" * 60)] * 2
    assert table_lines(("quantity", "at", "id"), rows, 40) == [
        *(block := ["quantity  123456789012345.123456789012", "at        2026-01-01T00:00:00Z"]),
        "id        aaaaaaaaaaaaaa…aaaaaaaaaaaaaaa",
        "",
        *block,
        "id        aaaaaaaaaaaaaa…aaaaaaaaaaaaaaa",
    ]


@pytest.mark.parametrize("lines", [table_lines, lambda names, rows, width: field_lines(names, rows[0], width)])
def test_wide_letters_count_twice(lines: Callable[..., list[str]]) -> None:
    found = lines(("name",), [("株式会社 " * 20).split("|")], 20)
    assert max(map(cell_len, found)) <= 20


def test_one_thing_keeps_its_ids_whole() -> None:
    assert field_lines(("id", "name"), ("a" * 100, "some words"), 14) == [
        f"id    {'a' * 100}",
        "name  some",
        "      words",
    ]
