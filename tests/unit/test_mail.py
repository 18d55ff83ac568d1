"""What a mail says and how it is written: each language has every sentence, and no text of others breaks a mail."""

import ast
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from tests.architecture.sources import ROOT
from usage_billing.brand.identity import OURS, Brand
from usage_billing.core.errors import ConfigurationError
from usage_billing.core.mailboxes import Mailbox, mail_address, one_line, read_mailbox
from usage_billing.documents.languages import LANGUAGES
from usage_billing.mail.language import mail_language
from usage_billing.mail.links import Refused, link_token, read_token
from usage_billing.mail.message import Letter, message_id, write
from usage_billing.mail.telling import what_is_refused, words_of
from usage_billing.mail.words import Told, Words
from usage_billing.setting_values import read_mail_server
from usage_billing.wire.event_type import EventType

NOW = datetime(2026, 12, 3, 10, tzinfo=UTC)
SECRET = "s" * 32
HOSTILE = (
    "Ann\r\nBcc: all@example.com",
    "\r\n\r\n<script>alert(1)</script>",
    "\u202etxt.exe \u2066 \x00 \x0b \x85 \u2028",
    '"><img src=x onerror=alert(1)>',
    "=?utf-8?q?Bcc=3A_x?=",
    "{{ 7 * 7 }} %(x)s {0}",
    "\ud800 lone",
    "x" * 5000,
    "Ann <ann@example.com>, Bob",
    "ünïcödé 名前 " * 50,
)
INVOICE = {
    "invoiceId": "0193a3a0-0000-7000-8000-000000000000",
    "number": "INV-00000012",
    "invoice": {
        "userId": "acme",
        "number": "INV-00000012",
        "currency": "EUR",
        "periodStart": "2026-11-01T00:00:00.000000Z",
        "periodEnd": "2026-12-01T00:00:00.000000Z",
        "total": "200.00",
        "totalWithTax": "238.00",
        "prepaidApplied": "0.00",
        "creditApplied": "10.00",
        "amountDue": "228.00",
        "dueAt": "2027-01-01T00:00:00.000000Z",
        "subscriptionId": "s1",
    },
}


def letter(words: Words, *, brand: Brand = OURS, name: str = "Halden", why: str = "", off: str = "") -> Letter:
    """A letter with these words."""
    sender = Mailbox("billing@halden.example", name)
    said = mail_language("en")
    whom = {"sender": sender, "recipient": "ann@example.com", "brand": brand, "said": said}
    return Letter(**whom, ids=["evt_1"], at=NOW, words=words, why=why, off=off, address="https://b.example")  # type: ignore[arg-type]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_others_breaks_a_mail(text: str) -> None:
    words = Words(subject=text, headline=text, sentence=text, rows=((text, text),), path="/portal", button=text)
    whole = letter(words, brand=Brand(name=text, legal=text), name=text, why=text)
    # A lone surrogate never comes so far: what is told is JSON, which has none.
    if "\ud800" in text:
        assert one_line(text) == "\ufffd lone"
        return
    raw = write(whole).as_bytes()
    read = message_from_bytes(raw, policy=default)
    assert sorted(read.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "MIME-Version"]
    )
    assert read["To"].addresses[0].addr_spec == "ann@example.com"
    assert [one.addr_spec for one in read["From"].addresses] == ["billing@halden.example"]
    assert read["Bcc"] is None
    html = read.get_body(("html",)).get_content()  # type: ignore[union-attr]
    for tag in ("<script", "<img"):
        assert tag not in html
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(st.text(max_size=300))
def test_a_subject_and_a_name_of_any_text_are_one_header_each(text: str) -> None:
    clean = one_line(text)
    assert not re.search("[\x00-\x1f\x7f\x85\u2028\u2029]", clean)
    raw = write(letter(Words(subject=text, headline="h", sentence="s"), name=text)).as_bytes()
    read = message_from_bytes(raw, policy=default)
    assert [name for name in read if name in {"Subject", "From", "To", "Bcc", "Cc"}] == ["From", "To", "Subject"]


def test_a_long_link_to_turn_mail_off_stands_as_it_is() -> None:
    url = "https://billing.example.com/" + "mail/off/" + "x" * 300
    message = write(letter(Words(subject="s", headline="h", sentence="s"), off=url))
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in message.as_bytes()
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain = write(letter(Words(subject="s", headline="h", sentence="s"), off="http://127.0.0.1:8000/mail/off/x"))
    assert plain["List-Unsubscribe-Post"] is None


def test_an_invoice_is_told_in_each_language_with_what_is_to_be_paid() -> None:
    expected = {
        "en": ("Invoice INV-00000012: €228.00 is to be paid until 1 January 2027", "€238.00"),
        "de": ("Rechnung INV-00000012: 228,00\u00a0€ zu zahlen bis 1. Jan. 2027", "238,00\u00a0€"),
        "fr": ("Facture INV-00000012 : 228,00\u00a0€ à payer jusqu’au 1 janv. 2027", "238,00\u00a0€"),  # noqa: RUF001
    }
    for code, (subject, total) in expected.items():
        told = Told(type="invoice.finalized", at="", data=INVOICE, said=mail_language(code), for_customer=True)
        words = words_of(told)
        assert words.subject == subject
        assert total in [value for _, value in words.rows]
        assert words.path == f"/portal/invoices/{INVOICE['invoiceId']}"
    nothing = {**INVOICE, "invoice": {**INVOICE["invoice"], "amountDue": "0.00", "dueAt": None}}  # type: ignore[dict-item]
    told = Told(type="invoice.finalized", at="", data=nothing, said=mail_language("en"), for_customer=True)
    assert words_of(told).subject == "Invoice INV-00000012: nothing is to be paid"


@pytest.mark.parametrize("type", [str(one) for one in EventType if one.partition(".")[0] in {"wallet", "subscription"}])
def test_what_has_no_words_of_its_own_is_told_by_the_catalogue(type: str) -> None:
    told = Told(type=type, at="", data={"userId": "acme", "list": []}, said=mail_language("de"), for_customer=False)
    words = words_of(told)
    assert words.subject == type
    assert words.rows == (("userId", "acme"),)


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_a_catalogue_has_every_sentence_and_no_other_with_the_same_parts(code: str) -> None:
    wanted = set()
    for name in ("mail/telling", "mail/alert_words", "mail/message", "flows/delivering/make_mail"):
        tree = ast.parse((ROOT / f"usage_billing/{name}.py").read_text(encoding="utf-8"))
        wanted |= {
            str(node.args[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("said.text")
            if node.args and isinstance(node.args[0], ast.Constant)
        }
    with (ROOT / f"usage_billing/mail/locale/{code}.po").open("rb") as file:
        catalogue = {str(one.id): str(one.string) for one in read_po(file) if one.id}
    assert set(catalogue) == wanted
    for english, other in catalogue.items():
        assert other, english
        assert sorted(re.findall(r"\{\w*\}", other)) == sorted(re.findall(r"\{\w*\}", english)), english


def test_a_message_id_is_of_events_and_recipient() -> None:
    one = message_id(["evt_1"], "ann@example.com", "b.example")
    assert one == message_id(["evt_1"], "ANN@example.com", "b.example")
    others = {
        message_id(["evt_2"], "ann@example.com", "b.example"),
        message_id(["evt_1"], "b@example.com", "b.example"),
    }
    several = message_id(["evt_1", "evt_2"], "ann@example.com", "b.example")
    assert several == message_id(["evt_2", "evt_1"], "ann@example.com", "b.example")
    assert len({one, several, *others}) == 4


@given(st.text(max_size=128), st.text(max_size=128), st.binary(max_size=8))
def test_a_link_says_what_it_was_made_of_and_no_other_is_believed(customer: str, what: str, noise: bytes) -> None:
    refused = Refused(customer, what)
    token = link_token(refused, secret=SECRET)
    assert read_token(token, secret=SECRET) == refused
    assert read_token(token, secret="t" * 32) is None
    for place in (0, len(token) // 2, len(token) - 1):
        changed = "A" if token[place] != "A" else "B"
        assert read_token(token[:place] + changed + token[place + 1 :], secret=SECRET) is None
    assert read_token(noise.hex(), secret=SECRET) is None


@pytest.mark.parametrize(
    "text",
    ["a@b@c", "a b@c.de", "a@b\r\nX: y", "a@b.c, d@e.f", "é@b.de", '"a b"@c.de', "<a@b.c>", "@b.c", "a@", "a", "",
     "a@b_c", "a\x00@b.de", f"{'a' * 65}@b.de", f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 63}", ".a@b.de", "a@-b.de"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        mail_address(text)


def test_addresses_are_read() -> None:
    assert mail_address("ann+x@Müller.example") == "ann+x@xn--mller-kva.example"
    assert read_mailbox('"Halden, Cloud" <b@h.example>') == Mailbox("b@h.example", "Halden, Cloud")
    assert read_mailbox("b@h.example").domain == "h.example"


def test_a_server_is_read_and_a_wrong_one_stops_the_start() -> None:
    server = read_mail_server("U", "smtps://a%40b:p%2F@mail.example", "F", "Ann <a@b.example>")
    assert server is not None
    assert (server.host, server.port, server.tls_at_once) == ("mail.example", 465, True)
    assert (server.user, server.password) == ("a@b", "p/")
    assert "p/" not in repr(server)
    starttls = read_mail_server("U", "smtp://mail.example", "F", "a@b.example")
    assert starttls is not None
    assert (starttls.port, starttls.tls_at_once, starttls.user) == (587, False, "")
    assert read_mail_server("U", "", "F", "") is None
    wrong = [
        ("smtp://mail.example", ""),
        ("", "a@b.example"),
        ("http://mail.example", "a@b.example"),
        ("smtp://", "a@b.c"),
    ]
    for url, sender in [
        *wrong,
        ("smtps://m/x", "a@b.example"),
        ("smtps://m", "no address"),
        ("smtp://m:x", "a@b.example"),
    ]:
        with pytest.raises(ConfigurationError, match=r"^(set both )?[UF] "):
            read_mail_server("U", url, "F", sender)


def test_an_alert_is_told_with_what_it_watches_and_turned_off_by_its_rule() -> None:
    data = {
        "ruleId": "80-100",
        "userId": "acme",
        "subscriptionId": "s1",
        "usageType": "report",
        "on": "percent",
        "crossed": ["100", "80"],
        "value": "1012",
        "limit": "1000",
        "currency": None,
        "periodStart": "2026-12-01T00:00:00.000000Z",
        "periodEnd": "2027-01-01T00:00:00.000000Z",
    }
    alert = "alert.triggered"
    told = Told(type=alert, at="", data=data, said=mail_language("en"), for_customer=True, unit="reports")
    words = words_of(told)
    assert words.subject == "reports: 100 % are reached"
    assert ("Used", "1,012") in words.rows
    money = {**data, "on": "amount", "usageType": None, "crossed": ["50"], "currency": "EUR", "limit": None}
    told = Told(type=alert, at="", data=money, said=mail_language("en"), for_customer=True)
    assert words_of(told).subject == "All use: €50.00 are reached"
    for said, subject, row in (
        ({"on": "balance", "walletId": "w", "crossed": ["20", "5"]}, "w: €5.00 or less are left", "Available"),
        ({"on": "balance", "walletId": "w", "crossed": ["20", "5"], "basis": "granted"}, "w: 5 % or less are left",
         "Available"),
        ({"on": "projected"}, "All use: €50.00 are expected by the end of the period", "Expected"),
        ({"on": "anomaly", "crossed": ["3"]}, "All use: much more is used today than is usual", "Used today"),
    ):  # fmt: skip
        words = words_of(Told(type=alert, at="", data={**money, **said}, said=mail_language("en"), for_customer=True))
        assert words.subject == subject
        assert row in dict(words.rows)
        assert words.path == ("/portal/wallets" if said["on"] == "balance" else "/portal/usage")
    low = {**money, "on": "balance", "walletId": "w"}
    back = Told(type="alert.resolved", at="", data=low, said=mail_language("en"), for_customer=False)
    assert words_of(back).subject == "w: above what was told before"
    assert words_of(back).path == "/admin/wallets/w"
    assert what_is_refused(alert, data) == "alert:80-100"
