"""Every sentence of the pages is there in each language, with its parts; numbers and days are written as it does."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from tests.architecture.sources import ROOT, sources
from tests.web.conftest import Books, OpenPortal
from usage_billing.rating import price
from usage_billing.sessions.pages import LOCALES
from web import mail_links
from web.numbers import Writer
from web.portal import alerts, entrance, shown, usage

OTHERS = LOCALES[1:]
PARTS = re.compile(r"%\([a-z]+\)s|\{[a-z]*\}|%%")


def _sentences() -> Iterator[str]:
    for path in sorted((ROOT / "web" / "templates").rglob("*.html")):
        with path.open("rb") as file:
            for _, _, found, _ in babel_extract(file, ("_", "ngettext"), [], {"trim_blocks": "1"}):
                yield from [found] if isinstance(found, str) else [one for one in found or () if one][:1]
    for source in sources("web"):
        for node in ast.walk(source.tree):
            says = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("say", "say_n"))
            if says and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
    yield from [*mail_links._KINDS.values(), "what happens"]
    yield from _steps()
    yield from shown._WORDS.values()
    yield from [*alerts.KINDS.values(), *alerts._REFUSALS.values()]
    yield from (span.word for span in usage.SPANS.values())
    for pair in [*entrance._SENTENCES.values(), entrance._UNEXPECTED]:
        yield from pair


def _steps() -> Iterator[str]:
    """The wordings of all steps of prices, as they stand where steps are made: a text, or a name in capitals."""
    for source in [*sources("usage_billing/rating"), *sources("usage_billing/reports")]:
        for node in ast.walk(source.tree):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "Line" and node.args):
                continue
            wording = ast.unparse(node.args[0])
            if wording != "self.item.description":  # of a fee, whose step is its own sentence
                yield str(getattr(price, wording) if wording.isupper() else ast.literal_eval(wording))


@pytest.mark.parametrize("locale", OTHERS)
def test_every_sentence_is_there_with_its_parts(locale: str) -> None:
    with (ROOT / "web" / "locale" / locale / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalog = read_po(file, locale=locale)
    said = {message.id if isinstance(message.id, str) else message.id[0]: message for message in catalog if message.id}
    wanted = set(_sentences())
    assert len(wanted) > 150
    assert wanted - set(said) == set()
    for key, message in said.items():
        for text in [message.string] if isinstance(message.string, str) else message.string:
            assert text, key
            assert sorted(PARTS.findall(text)) == sorted(PARTS.findall(key)), key


def test_a_page_speaks_the_sessions_language(used: Books, portal: OpenPortal) -> None:
    german = portal(locale="de")
    assert '<html lang="de">' in german.get("/portal").text
    assert "Freimengen" in german.get("/portal").text
    assert "30,00\u00a0$" in german.get(f"/portal/invoices/{used.invoice_id}").text
    assert "Forfaits" in portal(locale="fr").get("/portal").text


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        (
            "en",
            (
                "1,234,567.5",
                "$1,234.50",
                "\u2212$0.01",
                "¥1,200",
                "KWD\u00a01.234",
                "$0.00002",
                "1 to 30 November 2026",
            ),
        ),
        (
            "de",
            (
                "1.234.567,5",
                "1.234,50\u00a0$",
                "\u22120,01\u00a0$",
                "1.200\u00a0¥",
                "1,234\u00a0KWD",
                "0,00002\u00a0$",
                "1. bis 30. November 2026",
            ),
        ),
        (
            "fr",
            (
                "1\u202f234\u202f567,5",
                "1\u202f234,50\u00a0$US",
                "\u22120,01\u00a0$US",
                "1\u202f200\u00a0JPY",
                "1,234\u00a0KWD",
                "0,00002\u00a0$US",
                "1 au 30 novembre 2026",
            ),
        ),
    ],
)
def test_figures_are_written_as_the_language_does_and_lose_no_digit(locale: str, written: tuple[str, ...]) -> None:
    say = Writer(locale=locale, zone="Europe/Berlin")
    assert (
        say.number("1234567.50"),
        say.money("1234.50", "USD"),
        say.money("-0.01", "USD"),
        say.money("1200", "JPY"),
        say.money("1.234", "KWD"),
        say.money("0.00002", "USD"),
        say.span("2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"),
    ) == written


def test_money_has_the_minor_unit_of_iso_4217() -> None:
    """CLDR would write 10.20 forints as 10."""
    assert Writer(locale="en", zone="UTC").money("10.20", "HUF") == "HUF\u00a010.20"


def test_per_cent_is_rounded_down_and_never_up_to_a_whole() -> None:
    say = Writer(locale="en", zone="UTC")
    assert [say.percent(Decimal(part), Decimal(1000)) for part in (0, 1, 999, 1000)] == [
        "0\u00a0%",
        "<1\u00a0%",
        "99\u00a0%",
        "100\u00a0%",
    ]


def test_spans_have_two_units_at_most() -> None:
    say = Writer(locale="en", zone="UTC")
    assert say.left(timedelta(days=11, hours=9, minutes=5)) == "11 days and 9 hours"
    assert say.left(timedelta(hours=1)) == "1 hour"
    assert say.left(timedelta(seconds=5)) == "0 minutes"
