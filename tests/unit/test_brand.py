"""A brand: colours that can be read, logos that only draw, and files that are refused in one line."""

import io
import os
import struct
import subprocess
import sys
import zlib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from tests.unit.test_documents import invoice
from usage_billing.brand.colours import DARK, LEAST, LIGHT, Scheme, contrast, least_contrast, palette_of
from usage_billing.brand.identity import OURS, Logo
from usage_billing.brand.png import read_png
from usage_billing.brand.reading import read_brand
from usage_billing.brand.svg import MOST_BYTES, read_svg
from usage_billing.core.errors import ConfigurationError
from usage_billing.documents.content import content_of
from usage_billing.documents.layout import layout_of
from usage_billing.documents.page import page_of_invoice
from usage_billing.documents.pdf import render
from usage_billing.settings import Settings

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 40 10">'
DRAWING = f'{HEAD}<style>.a{{fill:url(#g)}}</style><rect class="a" width="40" height="10"/></svg>'
COLOURS = st.tuples(*[st.integers(0, 255)] * 3).map(lambda parts: "#" + "".join(f"{part:02x}" for part in parts))


def png(width: int = 8, height: int = 4, *, cut: int = 0) -> bytes:
    """A PNG of one colour, without its last ``cut`` bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    raw = (b"\0" + b"\xb0\x00\x20\xff" * width) * height
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return (b"\x89PNG\r\n\x1a\n" + parts)[: -cut or None]


def brand_of(folder: Path, text: str, **logos: str | bytes) -> Path:
    """The file of a brand, with logos beside it: ``svg="..."`` is ``logo.svg``."""
    for kind, content in logos.items():
        (folder / f"logo.{kind}").write_bytes(content.encode() if isinstance(content, str) else content)
    file = folder / "brand.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert round(contrast("#0b6674", "#ffffff"), 1) == Decimal("6.6")
    assert round(contrast("#767676", "#ffffff"), 2) == Decimal("4.54")


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=lambda scheme: scheme.name)
@given(colour=COLOURS)
def test_whatever_is_made_of_a_colour_can_be_read(scheme: Scheme, colour: str) -> None:
    found = palette_of(colour, scheme)
    if found is None:
        assert least_contrast(colour, scheme) < LEAST
        return
    for ground in scheme.grounds:
        assert contrast(found.accent, ground) >= LEAST
        assert contrast(found.accent_2, ground) >= LEAST
    for text, ground in (
        (found.on_accent, found.accent),
        (found.on_accent, found.accent_2),
        (found.accent_2, found.accent_weak),
        (scheme.ink, found.accent_weak),
    ):
        assert contrast(text, ground) >= LEAST


def test_a_colour_that_cannot_be_read_is_replaced_by_ours_with_a_line(tmp_path: Path) -> None:
    found = read_brand(brand_of(tmp_path, 'name = "Acme"\naccent = "#ffd400"\naccent_dark = "#FFD400"'))
    assert (found.light, found.dark and found.dark.accent) == (None, "#ffd400")
    (note,) = found.notes
    assert note.startswith("USAGE_BILLING_BRAND: accent #ffd400 has a contrast of 1.27:1 on light pages")
    assert note.endswith("our own colour is used")


def test_a_brand_has_all_that_its_file_says(tmp_path: Path) -> None:
    text = 'name = "Acme"\nlogo = "logo.svg"\nsupport = "mailto:help@acme.example"\nlegal = "Acme GmbH, HRB 1"\n'
    found = read_brand(brand_of(tmp_path, text, svg=DRAWING))
    assert (found.name, found.support, found.legal) == ("Acme", "mailto:help@acme.example", "Acme GmbH, HRB 1")
    assert found.logo is not None
    assert (found.logo.width_at(24), found.logo.says_the_name) == (96, True)
    assert read_brand(None) is OURS


WRONG = [
    ("", "it needs a name"),
    ('name = "A"\nfont = "Inter"', "it has 'font', and may have name, logo"),
    ('name = "A"\naccent = "red"', "accent must be a colour such as #0b6674"),
    ("name = 5", "name must be a text of 1 to 100 characters"),
    ('name = ""', "name must be a text"),
    (f'name = "{"x" * 101}"', "name must be a text"),
    ('name = "A\\nB"', "name must be one line"),
    ('name = "A\\u202e"', "name must be one line"),
    ('name = "A', "it is no TOML"),
    ('name = "A"\nsupport = "javascript:alert(1)"', "support must be an address"),
    ('name = "A"\nsupport = "//evil.example"', "support must be an address"),
    ('name = "A"\nsupport = "http://[x"', "support must be an address"),
    ('name = "A"\nlogo = "logo.gif"', "logo must be a file that ends in .svg or .png"),
    ('name = "A"\nlogo = "none.svg"', "its logo cannot be read"),
    ('name = "A"\nlogo = "large.svg"', "its logo must have 64 kB at most"),
    ('name = "A"\nlogo = "logo.svg"', "its logo logo.svg cannot be used: it is no XML"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "large.svg").write_bytes(b"x" * (MOST_BYTES + 1))
    with pytest.raises(ConfigurationError) as refused:
        read_brand(brand_of(tmp_path, text, svg="no"))
    assert refused.value.message.startswith(f"USAGE_BILLING_BRAND: {tmp_path / 'brand.toml'}: ")
    assert says in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("content", [None, b"\xff\xfe name", b"x = ["])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "brand.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    for path in (file, tmp_path / "none.toml"):
        with pytest.raises(ConfigurationError, match="USAGE_BILLING_BRAND") as refused:
            read_brand(path)
        assert "\n" not in refused.value.message


HARMFUL = [
    "<script>alert(1)</script>",
    '<rect onload="alert(1)" width="1" height="1"/>',
    "<foreignObject><body/></foreignObject>",
    '<use href="https://evil.example/x.svg#a"/>',
    '<use xlink:href="data:image/svg+xml;base64,x"/>',
    '<image href="https://evil.example/x.png"/>',
    '<rect fill="url(https://evil.example/x#a)" width="1" height="1"/>',
    '<rect style="fill:url( \'//evil.example\')" width="1" height="1"/>',
    "<style>@import '//evil.example/x.css';</style>",
    "<style>rect{fill:u\\72l(//evil.example)}</style>",
    '<a href="javascript:alert(1)"><rect width="1" height="1"/></a>',
    '<set attributeName="href" to="javascript:alert(1)"/>',
    '<animate attributeName="href" to="x"/>',
    "<text>Acme</text>",
    '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
    '<x:y xmlns:x="http://example.com/x"/>',
    '<filter id="f"><feImage href="//evil.example"/></filter>',
]


@pytest.mark.parametrize("inside", HARMFUL)
def test_a_drawing_that_does_more_than_draw_is_refused(inside: str) -> None:
    with pytest.raises(ValueError, match=r"^(it|its) "):
        read_svg(f"{HEAD}{inside}</svg>".encode())


@pytest.mark.parametrize(
    "text",
    [
        f'<!DOCTYPE svg [<!ENTITY a "b">]>{DRAWING}',
        f'<?xml version="1.0" encoding="utf-16"?>{DRAWING}',
        f'<?xml-stylesheet href="x.css"?>{DRAWING}',
        '<html xmlns="http://www.w3.org/1999/xhtml"/>',
        DRAWING.replace(' viewBox="0 0 40 10"', ""),
        DRAWING.replace("40 10", "0 10"),
        DRAWING.replace("</svg>", ""),
        "",
    ],
)
def test_what_is_no_plain_drawing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        read_svg(text.encode())
    with pytest.raises(ValueError, match="UTF-8"):
        read_svg(DRAWING.encode("utf-16"))


def test_drawings_of_drawing_programs_are_taken() -> None:
    more = (
        '<metadata><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:li/></r:RDF></metadata>'
        '<defs><linearGradient id="g"><stop offset="0" style="stop-color:#fff"/></linearGradient></defs>'
        '<g fill="url(#g)"><use xlink:href="#a"/></g>'
    )
    text = f"<?xml version='1.0' encoding='UTF-8'?><!-- made by hand -->{DRAWING.replace('</svg>', more + '</svg>')}"
    assert read_svg(b"\xef\xbb\xbf" + text.encode()).content == text.encode()
    sized = HEAD.replace('viewBox="0 0 40 10"', 'width="12.5mm" height="25"')
    assert read_svg(f"{sized}</svg>".encode()).width == 12_500


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        png(cut=1),
        png(cut=20),
        png()[:20],
        png().replace(b"IDAT", b"IDAZ"),
        png(0, 4),
        png(5000, 1),
        png()[:41] + bytes([png()[41] ^ 1]) + png()[42:],
    ],
)
def test_a_picture_that_is_not_whole_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        read_png(content)


def test_a_logo_that_is_high_is_still_seen() -> None:
    assert read_png(png(4, 8)).width_at(24) == 12
    assert Logo(kind="png", content=b"", width=1, height=4000).width_at(24) == 1
    assert Logo(kind="png", content=b"", width=4000, height=1).width_at(24) == 144


@pytest.mark.parametrize(("kind", "content"), [("svg", DRAWING), ("png", png())])
def test_documents_show_the_brand(tmp_path: Path, kind: str, content: str | bytes) -> None:
    text = f'name = "Acme <&"\nlogo = "logo.{kind}"\naccent = "#b00020"\nlegal = "HRB <1> #x $y"\n'
    text += 'support = "https://acme.example/help"'
    file = brand_of(tmp_path, text.replace('"Acme <&"', "'Acme <&\"'"), **{kind: content})
    layout = layout_of(Settings.from_environment({"USAGE_BILLING_BRAND": str(file)}))
    made = render(content_of(invoice()), layout.template, layout.brand)
    reader = PdfReader(io.BytesIO(made))
    said = reader.pages[0].extract_text()
    assert "HRB <1> #x $y" in said
    assert "https://acme.example/help" in said
    assert b"pdfaid:part>3<" in made.replace(b"\n", b"")
    assert made == render(content_of(invoice()), layout.template, layout.brand) != render(content_of(invoice()))
    page = page_of_invoice(invoice(), brand=layout.brand)
    assert 'alt="Acme &lt;&amp;&quot;"' in page
    assert "HRB &lt;1&gt;" in page
    assert f"data:image/{'svg+xml' if kind == 'svg' else 'png'};base64," in page


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("gunicorn", ("-c", "python:api.gunicorn_config", "--bind", "127.0.0.1:0", "web:create_app()")),
        ("celery", ("-A", "tasks.celery", "worker")),
        ("usage_billing", ("up", "--port", "5999")),
    ],
)
def test_no_service_starts_with_a_wrong_brand(tmp_path: Path, program: str, arguments: tuple[str, ...]) -> None:
    environment = os.environ | {
        "USAGE_BILLING_BRAND": str(brand_of(tmp_path, "name = 5")),
        "USAGE_BILLING_HOME": str(tmp_path / "home"),
        "USAGE_BILLING_LOGS": str(tmp_path / "logs"),
        "USAGE_BILLING_SECRET": "0123456789abcdef0123456789abcdef",
        "USAGE_BILLING_INBOX": "postgres",
        "DATABASE_URL": "postgresql://u@127.0.0.1:1/b",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode not in (0, -15)
    (line,) = [line for line in done.stderr.splitlines() if "USAGE_BILLING_BRAND" in line]
    assert "name must be a text of 1 to 100 characters" in line
    assert "Traceback" not in done.stderr
