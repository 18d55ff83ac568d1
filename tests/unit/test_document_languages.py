"""Documents in English, German and French: every sentence, with the same parts in each."""

import re

import pytest
from babel.messages.pofile import read_po

from tests.architecture.sources import ROOT
from usage_billing.documents import content, page
from usage_billing.documents.languages import LANGUAGES, language
from usage_billing.invoicing.wording import REASONS, SENTENCES, Wording, sentence

SPAN = {"from": "2026-03-01", "to": "2026-03-31"}
PARTS = {"unit": "Seiten", "quantity": "1234.5", "before": "0", "now": "12000", "name": "Pro {0} %s", **SPAN}
OTHERS = [code for code in LANGUAGES if code != "en"]


def said_in_sources() -> set[str]:
    """Every text that a document asks its language for."""
    texts = {*SENTENCES.values(), *REASONS.values(), *content._KINDS.values(), *content._REASONS.values()}
    texts |= {*page._STATUSES.values(), content._CREDIT}
    for name in ("content", "page"):
        source = (ROOT / f"usage_billing/documents/{name}.py").read_text(encoding="utf-8")
        texts |= set(re.findall(r"said\.text\(['\"](.+?)['\"]\)", source))
        texts |= set(re.findall(r"^            \"(\w[\w ()-]+)\": ", source, re.MULTILINE))
    return texts | {"Tax id", "E-mail", "Account (IBAN)", "Reference"}


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_has_every_text_and_no_other_with_the_same_parts(code: str) -> None:
    with (ROOT / f"usage_billing/documents/locale/{code}.po").open("rb") as file:
        catalogue = {str(one.id): str(one.string) for one in read_po(file) if one.id}
    assert set(catalogue) == said_in_sources()
    for english, other in catalogue.items():
        assert other, english
        assert sorted(re.findall(r"\{\w*\}", other)) == sorted(re.findall(r"\{\w*\}", english)), english


@pytest.mark.parametrize("key", SENTENCES)
def test_english_is_what_an_item_keeps(key: str) -> None:
    assert sentence(key, PARTS, language("en")) == Wording(key, PARTS).text


@pytest.mark.parametrize(
    ("code", "amount", "days", "country", "usage"),
    [
        ("en", "1,234.50", "1 to 31 March 2026", "Germany", "1,234.5 Seiten (a {x}) beyond the allowance, "),
        ("de", "1.234,50", "1.–31. März 2026", "Deutschland", "1.234,5 Seiten (a {x}) über das Kontingent hinaus, "),  # noqa: RUF001
        ("fr", "1\u202f234,50", "1–31 mars 2026", "Allemagne", "1\u202f234,5 Seiten (a {x}) au-delà du forfait, "),  # noqa: RUF001
    ],
)
def test_numbers_days_and_countries_are_the_language_s(
    code: str, amount: str, days: str, country: str, usage: str
) -> None:
    said = language(code)
    assert (said.number("1234.50"), said.days(SPAN), said.country("DE")) == (amount, days, country)
    assert sentence("usage", {**PARTS, "cell": "a {x}"}, said) == usage + days
    assert sentence("fee", PARTS, said) == f"Pro {{0}} %s, {days}"
    assert said.number("-0.5") == "-0.5".replace(".", said.number("0.5")[1])


@pytest.mark.parametrize(
    ("wanted", "found"), [("de", "de"), ("de-AT", "de"), ("fr-CH", "fr"), ("it", "en"), (None, "en")]
)
def test_a_language_that_documents_have_not_is_english(wanted: str | None, found: str) -> None:
    assert language(wanted).code == found
