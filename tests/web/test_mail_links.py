"""The page that a link of a mail leads to: it turns one kind of mail off for one customer, and on again."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from api.state import state_of
from tests.support.books import rows, scalars
from usage_billing.mail.links import Refused, link_token


def test_a_link_turns_mail_off_and_on_and_a_look_changes_nothing(
    app: Flask, client: FlaskClient, engine: Engine
) -> None:
    secret = state_of(app).settings.require_secret()
    link = f"/mail/off/{link_token(Refused('ann', 'invoice.finalized'), secret=secret)}"

    def off() -> list[Any]:
        return [tuple(row) for row in rows(engine, "SELECT customer_id, what FROM mail_refusals")]

    page = client.get(link)
    assert page.status_code == 200
    assert "It is on" in page.text
    assert client.head(link).status_code == 200
    assert off() == []
    # As mail programs do it: no cookie, no page of ours, and an Origin that is none.
    for _ in range(2):
        answer = client.post(link, data={"List-Unsubscribe": "One-Click"}, headers={"Origin": "null"})
        assert (answer.status_code, answer.data) == (200, b"")
        assert off() == [("ann", "invoice.finalized")]
    assert "It is off" in client.get(link).text
    assert "Wieder einschalten" in client.get(link, headers={"Accept-Language": "de"}).text
    assert "It is on" in client.post(link, data={"turn": "on"}).text
    assert off() == []
    actions = rows(engine, "SELECT actor, action, subject FROM audit_log WHERE action LIKE 'mail.%' ORDER BY id")
    assert [tuple(one) for one in actions] == [
        ("customer:ann", "mail.turned_off", "customer:ann"),
        ("customer:ann", "mail.turned_on", "customer:ann"),
    ]


def test_a_link_that_is_not_ours_turns_nothing_off(app: Flask, client: FlaskClient, engine: Engine) -> None:
    token = link_token(Refused("ann", "*"), secret="another-secret-of-32-characters-or-so")
    for wrong in (token, "x", "x" * 5000, "%00", "é"):
        assert client.post(f"/mail/off/{wrong}", data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert scalars(engine, "SELECT count(*) FROM mail_refusals") == [0]
