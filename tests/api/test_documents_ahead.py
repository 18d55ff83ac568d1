"""PDFs made before they are asked for: once each, also by workers that die, and what cannot be made is told."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tasks import outbox
from tests.api.conftest import Billed
from tests.api.test_documents import Woken, final, woken, words_of
from tests.integration.conftest import cli
from tests.support.books import rows, scalars
from usage_billing.core.clock import utc_now
from usage_billing.db.session import read_only, transaction
from usage_billing.documents.requests import ask_for, claim, note_failure
from usage_billing.flows.documents import drive_document
from usage_billing.flows.documents.drive_ahead import make_one, make_waiting
from usage_billing.reports.doctor.documents import check_documents

__all__ = ["cli", "final", "woken"]

TURN = timedelta(seconds=20)


@pytest.fixture
def relayed(final: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a final invoice whose PDF the outbox's relay has asked for."""
    monkeypatch.setattr("tasks.base.engine", lambda: engine)
    outbox.relay()
    return final


def test_what_became_final_has_its_pdf_before_it_is_asked_for(
    relayed: str, billed: Billed, admin: FlaskClient, engine: Engine, woken: Woken
) -> None:
    assert scalars(engine, "SELECT invoice_id FROM document_requests") == [billed.invoice_id]
    assert make_waiting(engine, turn=TURN) == 1
    assert scalars(engine, "SELECT count(*) FROM document_requests") == [0]
    answer = admin.get(f"{relayed}/document?format=pdf")
    assert (answer.status_code, woken) == (200, [])
    assert "INV-00000001" in words_of(answer.data)
    with transaction(engine) as session:  # a fact that is relayed a second time
        ask_for(session, [billed.invoice_id])
    assert make_waiting(engine, turn=TURN) == 0


def test_a_worker_that_died_with_a_pdf_leaves_it_to_another(
    relayed: str, billed: Billed, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "documents.rendered").touch()
    done = subprocess.run(
        [sys.executable, "-c", _MAKE, engine.url.render_as_string(hide_password=False)],
        env={**os.environ, "CRASH_AT": str(tmp_path)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert scalars(engine, "SELECT count(*) FROM invoice_documents") == [0]
    now = utc_now()
    with transaction(engine) as session:
        assert claim(session, at_most=10, now=now) == []
    with engine.begin() as connection:
        connection.execute(text("UPDATE document_requests SET tried_at = :then"), {"then": now - timedelta(minutes=6)})
    assert make_waiting(engine, turn=TURN) == 1
    assert scalars(engine, "SELECT count(*) FROM invoice_documents") == [1]


_MAKE = """
import sys
from datetime import timedelta
from usage_billing.db.session import make_engine
from usage_billing.flows.documents.drive_ahead import make_waiting
import usage_billing.all_models
make_waiting(make_engine(sys.argv[1]), turn=timedelta(seconds=20))
"""


def test_what_cannot_be_made_is_told_and_tried_again_when_asked(
    relayed: str, billed: Billed, admin: FlaskClient, engine: Engine, woken: Woken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> bytes:
        raise ValueError("no such font")

    with read_only(engine) as session:
        assert list(check_documents(session)) == []
    with monkeypatch.context() as patched:
        patched.setattr(drive_document, "render", broken)
        assert make_waiting(engine, turn=TURN) == 0
        for _ in range(2):
            assert admin.get(f"{relayed}/document?format=pdf").status_code == 202
            assert not make_one(engine, billed.invoice_id)
    assert rows(engine, "SELECT attempts, error FROM document_requests") == [(3, "no such font")]
    refused = admin.get(f"{relayed}/document?format=pdf")
    assert (refused.status_code, refused.json["code"]) == (409, "document_failed")
    assert "no such font" in refused.json["detail"]
    assert admin.get(f"{relayed}/document").status_code == 200
    with read_only(engine) as session:
        (finding,) = check_documents(session)
    assert (finding.code, "of INV-00000001: no such font" in finding.message) == ("document_failed", True)
    woken.clear()
    again = admin.post(f"{relayed}/document")
    assert (again.status_code, again.json["status"]) == (202, "pending")
    assert woken == [str(billed.invoice_id)]
    assert make_waiting(engine, turn=TURN) == 1
    made = admin.get(f"{relayed}/document?format=pdf")
    assert made.status_code == 200
    there = admin.post(f"{relayed}/document")
    assert (there.status_code, there.json["status"]) == (200, "made")
    assert admin.get(f"{relayed}/document?format=pdf").data == made.data
    assert woken == [str(billed.invoice_id)]
    asked = rows(engine, "SELECT actor, subject FROM audit_log WHERE action = 'invoice.document_asked'")
    assert [(one.actor[:4], one.subject) for one in asked] == [("key:", f"invoice:{billed.invoice_id}")]


def test_one_that_ended_its_workers_is_told(relayed: str, billed: Billed, engine: Engine) -> None:
    now = utc_now()
    for minutes in (30, 20, 10):
        with transaction(engine) as session:
            assert claim(session, at_most=1, now=now - timedelta(minutes=minutes)) == [billed.invoice_id]
    with read_only(engine) as session:
        (finding,) = check_documents(session)
    assert "its worker ended meanwhile" in finding.message
    assert make_one(engine, billed.invoice_id)
    with transaction(engine) as session:  # another process, which failed, was slower
        note_failure(session, billed.invoice_id, "too late", claimed=False, now=now)
    assert make_waiting(engine, turn=TURN) == 0
    with engine.begin() as connection:
        connection.execute(text("UPDATE document_requests SET tried_at = :then"), {"then": now - timedelta(minutes=6)})
    assert make_waiting(engine, turn=TURN) == 1
    assert scalars(engine, "SELECT count(*) FROM document_requests") == [0]


def test_a_draft_is_not_asked_for(billed: Billed, admin: FlaskClient, engine: Engine) -> None:
    refused = admin.post(f"/api/invoices/{billed.invoice_id}/document")
    assert (refused.status_code, refused.json["code"]) == (409, "invoice_status")
    with transaction(engine) as session:
        ask_for(session, [billed.invoice_id])
    assert scalars(engine, "SELECT count(*) FROM document_requests") == [0]
