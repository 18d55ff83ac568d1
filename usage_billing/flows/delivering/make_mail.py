"""Makes mails of deliveries: what the books know of their readers, and the letter that is handed over."""

import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.orm import Session

from usage_billing.brand.identity import OURS, Brand
from usage_billing.core.mailboxes import mail_address
from usage_billing.documents.languages import Language
from usage_billing.flows.delivering.make_attempt import running_for, since
from usage_billing.mail.language import mail_language
from usage_billing.mail.links import PATH, Refused, link_token
from usage_billing.mail.message import Letter, write
from usage_billing.mail.queries import Reader, pdfs, readers, seller_language, units, zones
from usage_billing.mail.service import EVERYTHING
from usage_billing.mail.smtp import Handed, Handover
from usage_billing.mail.telling import what_is_refused, words_of
from usage_billing.mail.words import Told, Words
from usage_billing.setting_values import MailServer
from usage_billing.webhooks.claims import ClaimedDelivery
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.wire.event_type import EventType

_PDF_WITHIN = timedelta(minutes=5)
_UNKNOWN = Reader(None, None)
_NO_ADDRESS = Handed(error="the customer has no e-mail address", of_endpoint=False, is_final=True)
_BAD_ADDRESS = Handed(error="mail cannot be sent to this address", of_endpoint=False, is_final=True)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """By which server mail goes, with whose brand; ``address`` is what links begin with, ``secret`` the service's."""

    server: MailServer
    secret: str = field(repr=False)
    brand: Brand = OURS
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """A delivery with all that its mail needs. ``recipient`` is empty where the customer has no address."""

    delivery: ClaimedDelivery
    event_id: str
    recipient: str
    type: str
    at: datetime
    data: dict[str, Any]
    said: Language
    zone: str
    unit: str
    pdf: bytes | None

    @property
    def for_customer(self) -> bool:
        """Whether it goes to the customer, and not to an address that an operator named."""
        return not self.delivery.recipient

    def waits_for_pdf(self, now: datetime) -> bool:
        """Whether it is of an invoice whose PDF will be there soon."""
        return self.type == EventType.INVOICE_FINALIZED and self.pdf is None and now - self.at < _PDF_WITHIN

    @property
    def words(self) -> Words:
        """What its mail says."""
        return words_of(
            Told(
                type=self.type,
                at=self.at.isoformat(),
                data=self.data,
                said=self.said,
                for_customer=self.for_customer,
                zone=self.zone,
                unit=self.unit,
                with_pdf=self.pdf is not None,
            )
        )


@dataclass(slots=True)
class Bundle:
    """What the books know of deliveries, by delivery."""

    mailings: dict[UUID, Mailing] = field(default_factory=dict)

    @classmethod
    def read(cls, session: Session, claimed: Sequence[ClaimedDelivery]) -> "Bundle":
        """Read what the mails of these deliveries need."""
        found = cls()
        found.add(session, claimed)
        return found

    def add(self, session: Session, claimed: Sequence[ClaimedDelivery]) -> None:
        """Read what the mails of further deliveries need."""
        if not claimed:
            return
        told = {one.id: msgspec.json.decode(one.body) for one in claimed}
        facts = [event["data"] for event in told.values()]
        whom = readers(session, {one.customer_id for one in claimed if one.customer_id is not None})
        at_home = zones(session, {id for id in map(_subscription, facts) if id})
        called = units(session, {one["usageType"] for one in facts if one.get("usageType")})
        kept = pdfs(session, {id for id in map(_invoice, told.values()) if id})
        sellers = seller_language(session)
        for one in claimed:
            event, reader = told[one.id], whom.get(one.customer_id or "", _UNKNOWN)
            own = None if one.recipient else reader.language
            self.mailings[one.id] = Mailing(
                delivery=one,
                event_id=event["id"],
                recipient=one.recipient or reader.address or "",
                type=event["type"],
                at=datetime.fromisoformat(event["timestamp"]),
                data=event["data"],
                said=mail_language(own, one.language, sellers),
                zone=at_home.get(_subscription(event["data"]) or "", "UTC"),
                unit=called.get(event["data"].get("usageType") or "", ""),
                pdf=kept.get(_invoice(event) or UUID(int=0)),
            )


def post_mail(
    handover: Handover,
    mailings: Sequence[Mailing],
    *,
    settings: MailSettings,
    trust: ssl.SSLContext,
    now: Callable[[], datetime],
) -> Sequence[Attempt]:
    """Hand one mail over, and say what became of each of its deliveries. A fault of ours is a failed try too."""
    at, started = now(), running_for()
    try:
        handed = _handed(handover, mailings, settings=settings, trust=trust, at=at)
    except Exception as error:
        _log.exception("a mail of the endpoint %s could not be made", mailings[0].delivery.endpoint_id)
        handed = Handed(error=type(error).__name__, of_endpoint=False)
    return [
        Attempt(
            delivery=one.delivery,
            at=at,
            milliseconds=since(started),
            status=handed.status,
            error=handed.error,
            answer=handed.text,
            of_endpoint=handed.of_endpoint,
            is_final=handed.is_final,
        )
        for one in mailings
    ]


def _handed(
    handover: Handover, mailings: Sequence[Mailing], *, settings: MailSettings, trust: ssl.SSLContext, at: datetime
) -> Handed:
    first = mailings[0]
    if not first.recipient:
        return _NO_ADDRESS
    try:
        recipient = mail_address(first.recipient)
    except ValueError:
        return _BAD_ADDRESS
    message = write(_letter(mailings, recipient, settings=settings, at=at)).as_bytes()
    return handover.send(settings.server, recipient=recipient, message=message, trust=trust)


def _letter(mailings: Sequence[Mailing], recipient: str, *, settings: MailSettings, at: datetime) -> Letter:
    first, said = mailings[0], mailings[0].said
    if first.for_customer:
        why = said.text("You get this because {name} tells its customers of it by mail.")
    else:
        why = said.text("You get this because the endpoint {endpoint} names this address.")
    ordered = sorted(mailings, key=lambda one: (one.at, one.event_id))
    listed = [(_time(one), one.words.subject) for one in ordered] if len(mailings) > 1 else []
    attached = None if first.pdf is None or listed else (_file_name(first), first.pdf)
    return Letter(
        sender=settings.server.sender,
        recipient=recipient,
        ids=[one.event_id for one in mailings],
        at=at,
        said=said,
        brand=settings.brand,
        words=_digest(listed, said) if listed else first.words,
        address=settings.address,
        why=why.format(name=settings.brand.name, endpoint=first.delivery.endpoint_id),
        off=_off(mailings, settings),
        listed=listed,
        attached=attached,
    )


def _digest(listed: Sequence[tuple[str, str]], said: Language) -> Words:
    number = said.number(str(len(listed)))
    return Words(
        subject=said.text("{number} messages, the first: {subject}").format(number=number, subject=listed[0][1]),
        headline=said.text("{number} messages").format(number=number),
        sentence=said.text("More came within an hour than are sent one by one."),
    )


def _off(mailings: Sequence[Mailing], settings: MailSettings) -> str:
    """The link that turns mail like this off for the customer; none where there is no address for it."""
    first = mailings[0]
    if not first.for_customer or not settings.address or first.delivery.customer_id is None:
        return ""
    about = {what_is_refused(one.type, one.data) for one in mailings}
    what = about.pop() if len(about) == 1 else EVERYTHING
    return settings.address + PATH + link_token(Refused(first.delivery.customer_id, what), secret=settings.secret)


def _time(mailing: Mailing) -> str:
    return f"{mailing.at.astimezone(ZoneInfo(mailing.zone)):%Y-%m-%d %H:%M %Z}"


def _file_name(mailing: Mailing) -> str:
    return f"{mailing.data['number']}.pdf"


def _subscription(data: dict[str, Any]) -> str | None:
    found: str | None = data.get("subscriptionId") or (data.get("invoice") or {}).get("subscriptionId")
    return found


def _invoice(event: dict[str, Any]) -> UUID | None:
    found = event["data"].get("invoiceId")
    return UUID(found) if found and event["type"] == EventType.INVOICE_FINALIZED else None
