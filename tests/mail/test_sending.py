"""Mail reaches each address at least once, under one Message-ID, whatever the server or the worker does."""

import os
import signal
import ssl
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.architecture.sources import ROOT
from tests.mail.conftest import ADDRESS, SENDER, Mail
from tests.support.books import rows, scalars
from tests.support.mail_servers import HERE, PASSWORD, USER, Postbox, posting, saying
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.manage_endpoints import change_endpoint
from usage_billing.flows.delivering.send_again import Span, replay
from usage_billing.mail.links import Refused, read_token
from usage_billing.mail.service import refuse
from usage_billing.webhooks.retries import LADDER

HOUR = timedelta(hours=1)
ALERT = {"ruleId": "r", "on": "percent", "crossed": ["80"], "to": None, "used": "1", "amount": None, "currency": None}


def test_an_event_goes_to_each_address_once_by_starttls(mail: Mail, postbox: Postbox) -> None:
    mail.endpoint("ops@example.com", "Desk@Example.com")
    (id,) = mail.tell("ann")
    assert mail.send() == 2
    assert mail.send() == 0
    assert mail.states() == [("sent", 1)] * 2
    assert sorted(one.recipient for one in postbox.got) == ["Desk@Example.com", "ops@example.com"]
    messages = [one.message for one in postbox.got]
    assert {one["From"] for one in messages} == {SENDER}
    assert all(id in one["Message-ID"] and one["Message-ID"].endswith("@halden.example>") for one in messages)
    assert len({one["Message-ID"] for one in messages}) == 2
    (first, _) = messages
    assert first["Subject"] == "report: the allowance is used"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["List-Unsubscribe"] is None
    assert "1 to 31 December 2026" in first.get_body(("plain",)).get_content()
    assert "1 to 31 December 2026" in first.get_body(("html",)).get_content()


def test_each_customer_is_told_at_its_own_address_in_its_language_with_a_link(mail: Mail, postbox: Postbox) -> None:
    mail.customer("ann", "ann@example.com", "de-AT")
    mail.customer("bob", "bob@example.com", "fr")
    mail.customer("cee")
    mail.endpoint()
    mail.tell("ann", "bob", "cee", None)
    mail.tell("ann", topic="run.finished")
    mail.send()
    assert mail.states() == [("sent", 1), ("sent", 1), ("failed", 1)]
    assert scalars(mail.engine, "SELECT error FROM webhook_attempts WHERE status IS NULL") == [
        "the customer has no e-mail address"
    ]
    got = {one.recipient: one for one in postbox.got}
    assert set(got) == {"ann@example.com", "bob@example.com"}
    ann = got["ann@example.com"]
    assert ann.message["Subject"] == "report: Die Freimenge ist verbraucht"
    assert "le forfait est utilisé" in str(got["bob@example.com"].message["Subject"])
    # As it is on the wire: a header that is encoded or cut is none that a mail program reads.
    (link,) = [line for line in ann.raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    url = link.decode().removeprefix("List-Unsubscribe: <").removesuffix(">")
    assert url.startswith(f"{ADDRESS}/mail/off/")
    assert read_token(url.rpartition("/")[2], secret=mail.courier.carrier.settings.secret) == Refused(  # type: ignore[attr-defined]
        "ann", "quota.exceeded"
    )
    assert ann.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url in ann.message.get_body(("plain",)).get_content()


def test_what_a_customer_turned_off_is_dropped(mail: Mail, postbox: Postbox) -> None:
    for name in ("ann", "bob", "cee"):
        mail.customer(name, f"{name}@example.com")
    mail.endpoint()
    mail.endpoint("ops@example.com", id="ops")
    with transaction(mail.engine) as session:
        refuse(session, "ann", "quota.exceeded")
        refuse(session, "bob", "*")
        refuse(session, "cee", "invoice.finalized")
    mail.tell("ann", "bob", "cee")
    mail.send()
    assert Counter(one.recipient for one in postbox.got) == {"ops@example.com": 3, "cee@example.com": 1}
    assert Counter(mail.states()) == {("sent", 1): 4, ("dropped", 0): 2}


@pytest.mark.parametrize("step", ["rcpt", "data"])
def test_451_is_tried_again_on_the_ladder_and_550_fails_for_that_recipient_alone(
    mail: Mail, postbox: Postbox, step: str
) -> None:
    mail.endpoint("later@example.com", "never@example.com", "ops@example.com")
    mail.tell("ann")
    answers = {"later@example.com": "451 later", "never@example.com": "550 unknown"}
    setattr(postbox, step, lambda recipient: answers.get(recipient, "250 OK"))
    assert mail.send() == 3
    assert mail.states() == [("waiting", 1), ("failed", 1), ("sent", 1)]
    assert rows(mail.engine, "SELECT failing_since, failed_tries FROM webhook_endpoints") == [(None, 0)]
    assert sorted(rows(mail.engine, "SELECT status, answer FROM webhook_attempts")) == [
        (250, "OK"), (451, "later"), (550, "unknown"),
    ]  # fmt: skip
    assert mail.send() == 0
    for tries in range(2, 11):
        mail.ahead += LADDER[tries - 1] * 12 / 10 + timedelta(seconds=1)
        assert mail.send() == 1, tries
    assert mail.states() == [("failed", 10), ("failed", 1), ("sent", 1)]


def test_a_server_that_dies_after_the_mail_gets_it_again_under_the_same_message_id(
    mail: Mail, postbox: Postbox
) -> None:
    mail.endpoint("ops@example.com")
    mail.tell("ann")
    postbox.dies = True
    assert mail.send() == 1
    assert mail.states() == [("waiting", 1)]
    mail.ahead += timedelta(seconds=7)
    assert mail.send() == 1
    assert mail.states() == [("sent", 2)]
    assert len(postbox.got) == 2
    assert len({one.message["Message-ID"] for one in postbox.got}) == 1


@pytest.mark.parametrize("point", ["deliver.noted", "deliver.claimed"])
def test_what_a_killed_worker_had_is_sent_by_another_under_the_same_message_id(
    mail: Mail, postbox: Postbox, certificate: tuple[Path, Path], tmp_path: Path, point: str
) -> None:
    mail.endpoint("ops@example.com", "desk@example.com")
    mail.tell("ann")
    (tmp_path / point).touch()
    mine = {
        "CRASH_AT": str(tmp_path),
        "SSL_CERT_FILE": str(certificate[0]),
        "USAGE_BILLING_SMTP_URL": postbox.url(),
        "USAGE_BILLING_MAIL_FROM": SENDER,
    }
    done = subprocess.run(
        [sys.executable, "-c", "from tasks.mail import deliver; deliver(); deliver()"],
        env={**os.environ, **mine},
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    mail.ahead = timedelta(seconds=61)
    mail.send()
    assert mail.states() == [("sent", 1)] * 2
    ids = Counter(one.message["Message-ID"] for one in postbox.got)
    assert len(ids) == 2
    assert max(ids.values()) <= 2


def test_beyond_20_an_hour_one_digest_goes_to_an_address(mail: Mail, postbox: Postbox) -> None:
    mail.endpoint("ops@example.com")
    mail.endpoint("OPS@example.com", id="again")
    mail.endpoint("desk@example.com", id="desk", types=["run.failed"])
    mail.tell(*["ann"] * 30)
    for _ in range(4):
        mail.send()
    assert len(postbox.got) == 20
    assert Counter(state for state, _ in mail.states()) == {"sent": 20, "waiting": 40}
    mail.ahead += HOUR + timedelta(seconds=1)
    mail.tell("ann")
    for _ in range(3):
        mail.send()
    # A digest for each of the two endpoints; what is new goes out by itself.
    assert len(postbox.got) == 24
    assert Counter(mail.states()) == {("sent", 1): 62}
    digests = [one for one in postbox.got if "messages, the first" in one.message["Subject"]]
    listed = [one.message.get_body(("plain",)).get_content().count("UTC") for one in digests]
    assert sum(listed) == 40
    # What two endpoints tell one address is one thread there.
    assert len({one.message["Message-ID"] for one in postbox.got}) == 12


def test_a_digest_that_is_not_taken_is_tried_again_as_one(mail: Mail, postbox: Postbox) -> None:
    mail.customer("ann", "ann@example.com")
    mail.endpoint()
    mail.tell(*["ann"] * 60)
    for _ in range(4):
        mail.send()
    assert len(postbox.got) == 20
    mail.ahead += HOUR + timedelta(seconds=1)
    postbox.data = lambda _: "451 later"
    mail.send()
    assert Counter(mail.states()) == {("sent", 1): 20, ("waiting", 1): 40}
    postbox.data = lambda _: "250 OK"
    mail.ahead += timedelta(seconds=7)
    mail.send()
    assert len(postbox.got) == 21
    assert {state for state, _ in mail.states()} == {"sent"}
    assert "40 messages" in postbox.got[-1].message["Subject"]


def test_a_digest_has_nothing_that_was_turned_off_meanwhile(mail: Mail, postbox: Postbox) -> None:
    mail.customer("ann", "ann@example.com")
    mail.endpoint()
    mail.tell(*["ann"] * 20)
    mail.send()
    mail.tell("ann", topic="alert.resolved", **ALERT)
    mail.tell(*["ann"] * 40)
    for _ in range(3):
        mail.send()
    assert Counter(mail.states()) == {("sent", 1): 20, ("waiting", 0): 41}
    with transaction(mail.engine) as session:
        refuse(session, "ann", "quota.exceeded")
    mail.ahead += HOUR + timedelta(seconds=1)
    for _ in range(3):
        mail.send()
    assert Counter(mail.states()) == {("sent", 1): 21, ("dropped", 0): 40}
    assert "below what was told before" in postbox.got[-1].message["Subject"]


def test_a_certificate_that_is_not_believed_and_a_server_without_tls_get_nothing(mail: Mail, postbox: Postbox) -> None:
    mail.endpoint("ops@example.com")
    mail.tell("ann")
    mail.trust = ssl.create_default_context()
    mail.courier = mail.another()
    mail.send()
    with posting(None) as other:
        mail.url = other.url()
        mail.courier = mail.another()
        mail.ahead += timedelta(seconds=7)
        mail.send()
        assert other.got == postbox.got == []
    first, second = scalars(mail.engine, "SELECT error FROM webhook_attempts ORDER BY id")
    assert "certificate verify failed" in first
    assert "STARTTLS" in second
    assert mail.states() == [("waiting", 2)]
    (row,) = rows(mail.engine, "SELECT failing_since, failed_tries FROM webhook_endpoints")
    assert row.failing_since is not None
    assert row.failed_tries == 2


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (("220 here", "250-here\r\n250 STARTTLS", "250 fine"), None),
        (("220 here", "250-here\r\n250 STARTTLS", "454 not now"), 454),
        (("250 here", "250-here\r\n250 STARTTLS"), None),
        (("554 no service", "250-here\r\n250 STARTTLS"), 554),
    ],
)
def test_a_server_that_says_well_and_takes_no_mail_has_none(
    mail: Mail, answers: tuple[str, ...], status: int | None
) -> None:
    mail.endpoint("ops@example.com")
    mail.tell("ann")
    with saying(*answers) as port:
        mail.url = f"smtp://{HERE}:{port}"
        mail.courier = mail.another()
        assert mail.send() == 1
    assert mail.states() == [("waiting", 1)]
    (row,) = rows(mail.engine, "SELECT status, error FROM webhook_attempts")
    assert row.status == status
    assert row.error


def test_a_recipient_that_is_let_in_by_any_2xx_gets_the_mail(mail: Mail, postbox: Postbox) -> None:
    mail.endpoint("ops@example.com")
    mail.tell("ann")
    postbox.rcpt = lambda _: "252 it will be tried"
    mail.send()
    assert mail.states() == [("sent", 1)]
    assert len(postbox.got) == 1


def test_with_a_login_and_by_tls_at_once(mail: Mail, certificate: tuple[Path, Path]) -> None:
    mail.endpoint("ops@example.com")
    mail.tell("ann")
    with posting(certificate, login=True) as server:
        for password, state in (("wrong", ("waiting", 1)), (PASSWORD, ("sent", 2))):
            mail.url = f"smtp://{USER}:{quote(password, safe='')}@{HERE}:{server.port}"
            mail.courier = mail.another()
            mail.send()
            mail.ahead += timedelta(seconds=7)
            assert mail.states() == [state]
        assert len(server.got) == 1
    (first, _) = rows(mail.engine, "SELECT status, error FROM webhook_attempts ORDER BY id")
    assert first.status == 535
    assert "wrong" not in first.error
    mail.tell("ann")
    with posting(certificate, at_once=True) as server:
        mail.url = server.url(at_once=True)
        mail.courier = mail.another()
        mail.send()
        assert mail.states() == [("sent", 2), ("sent", 1)]


def test_an_address_that_is_taken_out_gets_nothing_more_and_a_replay_sends_what_failed(
    mail: Mail, postbox: Postbox
) -> None:
    mail.endpoint("ops@example.com", "gone@example.com", "never@example.com")
    postbox.rcpt = lambda recipient: "550 no" if recipient.startswith("never") else "451 later"
    mail.tell("ann")
    mail.send()
    postbox.rcpt = lambda _: "250 OK"
    with transaction(mail.engine) as session:
        changes = {"to": ["ops@example.com", "never@example.com"]}
        change_endpoint(session, "e", changes, actor="test", now=mail.now())
    mail.ahead += timedelta(seconds=7)
    mail.send()
    assert [one.recipient for one in postbox.got] == ["ops@example.com"]
    with transaction(mail.engine) as session:
        again = replay(session, "e", Span(since=mail.now() - HOUR, failed=True), actor="test", now=mail.now())
    assert again.deliveries == 1
    mail.send()
    assert [one.recipient for one in postbox.got] == ["ops@example.com", "never@example.com"]
