"""Makes pages of templates, and gives each the policy that it is complete under."""

from functools import cache
from hashlib import blake2b
from typing import Any

from flask import Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.state import state, this_request
from usage_billing.brand.identity import Brand
from usage_billing.core.giving_way import in_turns
from web.assets import url_of
from web.bars import hand_bar, hatch, meter_bar
from web.brand import STYLESHEET, logo_name, logo_size
from web.numbers import Writer
from web.texts import sentences

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors {}"
)
_HTML = "text/html"
# With no-referrer, the usual of this service, a browser would send `Origin: null` with a form of the page itself.
_REFERRER = "same-origin"
_NOT_MODIFIED, _SEE_OTHER = 304, 303


def page(
    template: str,
    writer: Writer,
    *,
    status: int = 200,
    framed_by: frozenset[str] = frozenset(),
    **context: Any,
) -> Response:
    """The page that ``template`` makes of ``context`` for the reader of ``writer``.

    Pages of the origins ``framed_by`` may show it in a frame; with none, no page may.
    """
    return answer(render(template, writer, **context), status=status, framed_by=framed_by)


def answer(html: str, *, status: int = 200, framed_by: frozenset[str] = frozenset()) -> Response:
    """HTML of ours under its policy."""
    response = Response(html, status=status, mimetype=_HTML)
    guard(response, framed_by=framed_by)
    return response


def see_other(path: str, *, framed_by: frozenset[str] = frozenset()) -> Response:
    """303: the browser goes on to ``path``, a path of ours."""
    response = Response(status=_SEE_OTHER)
    response.headers["Location"] = path
    return guard(response, framed_by=framed_by)


def guard(response: Response, *, framed_by: frozenset[str] = frozenset()) -> Response:
    """The headers that keep a page to itself."""
    ancestors = " ".join(sorted(framed_by)) if framed_by else "'none'"
    response.headers["Content-Security-Policy"] = _POLICY.format(ancestors)
    response.headers["Referrer-Policy"] = _REFERRER
    if framed_by:
        # Browsers that know frame-ancestors pass this header over; it may name one origin at most.
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def render(template: str, writer: Writer, **context: Any) -> str:
    """The text that a template makes."""
    brand = state().brand
    logo = brand.logo and {
        "url": url_of(logo_name(brand.logo)),
        "size": logo_size(brand.logo),
        "alone": brand.logo.says_the_name,
    }
    known = {"lang": writer.locale, "brand": brand, "logo": logo, "brand_style": STYLESHEET if _coloured(brand) else ""}
    pieces = _environment(writer.locale).get_template(template).generate(**known, **writer.helpers, **context)
    return "".join(in_turns(pieces))


def _coloured(brand: Brand) -> bool:
    return brand.light is not None or brand.dark is not None


def tag_of(*parts: object) -> str:
    """An ETag of what a page is made of: with equal parts, the page is the same."""
    return f'"{blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"'


def unchanged(tag: str) -> Response | None:
    """304 for a browser that has the page with this tag; None where it is to be made."""
    if this_request().headers.get("If-None-Match") != tag:
        return None
    response = Response(status=_NOT_MODIFIED)
    response.headers["ETag"] = tag
    return response


@cache
def _environment(locale: str) -> Environment:
    made = Environment(
        loader=PackageLoader("web"),
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    spoken = sentences(locale)
    made.install_gettext_callables(spoken.gettext, spoken.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {"asset": url_of, "meter_bar": meter_bar, "hand_bar": hand_bar, "hatch": hatch}
    return made
