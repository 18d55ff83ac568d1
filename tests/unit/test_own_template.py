"""An operator's own template: it lays the invoice out, and a broken one stops the start in one line."""

import io
from pathlib import Path

import pytest
from pypdf import PdfReader

from tasks import base, celery
from tests.unit.test_documents import invoice
from usage_billing.core.errors import ConfigurationError
from usage_billing.documents.content import content_of
from usage_billing.documents.layout import layout_of
from usage_billing.documents.pdf import render, version_of
from usage_billing.documents.template import VERSION
from usage_billing.settings import Settings

OWN = """
#let says = json(bytes(sys.inputs.says))
#set document(title: says.title, date: auto)
#set text(font: "DejaVu Sans", lang: says.language)
Our house's own: #says.title, #says.due.at(1)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A template of its operator's."""
    file = tmp_path / "own.typ"
    file.write_text(OWN)
    return file


def _settings(own: Path) -> Settings:
    return Settings.from_environment({"USAGE_BILLING_INVOICE_TEMPLATE": str(own)})


def test_an_own_template_lays_the_invoice_out(own: Path) -> None:
    assert layout_of(_settings(own)).template == own
    made = render(content_of(invoice()), own)
    assert "house’s own: Invoice INV-00000001, 30.00 USD" in PdfReader(io.BytesIO(made)).pages[0].extract_text()  # noqa: RUF001
    assert render(content_of(invoice()), own) == made
    assert render(content_of(invoice())) != made
    before = version_of(own)
    own.write_text(OWN + " ")
    assert len({before, version_of(own), VERSION}) == 3
    assert len(before) == 16
    assert version_of() == VERSION


@pytest.mark.parametrize(
    ("text", "says"),
    [("#let x = (", "unclosed delimiter"), (OWN.replace("says.due", "says.dew"), "dew"), (None, "there is no file")],
)
def test_a_broken_one_is_refused_before_it_is_needed(
    own: Path,
    text: str | None,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own.unlink()
    if text is not None:
        own.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as refused:
        layout_of(_settings(own))
    assert refused.value.message.startswith("USAGE_BILLING_INVOICE_TEMPLATE: ")
    assert "\n" not in refused.value.message
    monkeypatch.setattr(celery, "refuse_lossy_session", lambda *_, **__: None)
    monkeypatch.setenv("USAGE_BILLING_INVOICE_TEMPLATE", str(own))
    monkeypatch.setenv("USAGE_BILLING_INBOX", "postgres")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/b")
    base.settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        celery._refuse_what_could_not_work()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage-billing worker: USAGE_BILLING_INVOICE_TEMPLATE: ")
    assert said.count("\n") == 1
    base.settings.cache_clear()
