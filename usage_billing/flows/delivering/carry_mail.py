"""Carries events to addresses by mail.

An address gets 20 mails an hour. What comes beyond them waits until the hour is over, and goes out as one. What a
customer has turned off is dropped; an invoice waits a little for its PDF.
"""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from usage_billing.core.clock import utc_now
from usage_billing.flows.delivering.make_mail import Bundle, Mailing, MailSettings, post_mail
from usage_billing.flows.delivering.parcels import Parcel
from usage_billing.mail.queries import refusals
from usage_billing.mail.service import EVERYTHING, HOUR, MOST_AN_HOUR, give_places_back, hour_key, lock_hour
from usage_billing.mail.smtp import WHOLE_SECONDS, Handover
from usage_billing.mail.telling import what_is_refused
from usage_billing.webhooks.claims import ClaimedDelivery, claim_digest, drop, postpone
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.webhooks.states import EndpointKind

_SOON = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class MailCarrier:
    """A ``Carrier``. ``trust`` is whose certificates are believed."""

    settings: MailSettings
    now: Callable[[], datetime] = utc_now
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    kind: EndpointKind = EndpointKind.EMAIL
    longest: timedelta = timedelta(seconds=WHOLE_SECONDS)
    may_repeat: bool = False

    def packed(self, session: Session, claimed: Sequence[ClaimedDelivery], *, now: datetime) -> list[Parcel]:
        """A parcel for each mail that may go out now."""
        bundle = Bundle.read(session, claimed)
        wanted = _wanted(session, bundle, claimed)
        waiting = [one for one in wanted if bundle.mailings[one.id].waits_for_pdf(now)]
        postpone(session, waiting, until=now + _SOON)
        ready = [one for one in wanted if one not in waiting]
        return [self._parcel(bundle, group) for group in _within_the_hour(session, bundle, ready, now=now)]

    def unpacked(self, session: Session, parcels: Sequence[Parcel]) -> None:
        """Their places are free again."""
        give_places_back(session, [parcel.place for parcel in parcels if parcel.place])

    def _parcel(self, bundle: Bundle, deliveries: Sequence[ClaimedDelivery]) -> Parcel:
        handover = Handover()
        mailings = [bundle.mailings[one.id] for one in deliveries]
        place = hour_key(mailings[0].recipient)
        return Parcel(deliveries, partial(self._carry, handover, mailings), handover.cut, place)

    def _carry(self, handover: Handover, mailings: Sequence[Mailing]) -> Sequence[Attempt]:
        return post_mail(handover, mailings, settings=self.settings, trust=self.trust, now=self.now)


def _wanted(session: Session, bundle: Bundle, claimed: Sequence[ClaimedDelivery]) -> list[ClaimedDelivery]:
    """What no customer has turned off; the rest is dropped."""
    customers = {one.customer_id for one in claimed if one.customer_id is not None and not one.recipient}
    off = refusals(session, customers) if customers else set()

    def is_off(one: ClaimedDelivery) -> bool:
        mailing = bundle.mailings[one.id]
        refused = {EVERYTHING, what_is_refused(mailing.type, mailing.data)}
        return not one.recipient and any((one.customer_id, what) in off for what in refused)

    dropped = [one for one in claimed if is_off(one)]
    drop(session, dropped)
    return [one for one in claimed if one not in dropped]


def _within_the_hour(
    session: Session, bundle: Bundle, ready: Sequence[ClaimedDelivery], *, now: datetime
) -> list[Sequence[ClaimedDelivery]]:
    """What goes out now, a group for each mail. What an address has no place for waits until its hour is over."""
    groups: list[Sequence[ClaimedDelivery]] = []
    by_address: dict[str, list[list[ClaimedDelivery]]] = {}
    for group in _together(ready):
        by_address.setdefault(hour_key(bundle.mailings[group[0].id].recipient), []).append(group)
    for address in sorted(by_address):  # one order, so that no two workers wait for each other
        hour = lock_hour(session, address, now=now)
        late: list[ClaimedDelivery] = []
        for group in by_address[address]:
            if hour.mails >= MOST_AN_HOUR:
                late += group
                continue
            hour.mails += 1
            others = claim_digest(session, group, now=now) if group[0].digest else []
            bundle.add(session, others)
            groups.append([*group, *_wanted(session, bundle, others)])
        postpone(session, late, until=hour.began_at + HOUR, digest=True)
    session.flush()
    return groups


def _together(ready: Sequence[ClaimedDelivery]) -> list[list[ClaimedDelivery]]:
    """A group for each mail: those of a digest go to one recipient of one endpoint."""
    groups: dict[object, list[ClaimedDelivery]] = {}
    for one in ready:
        whom = (one.endpoint_id, one.recipient, "" if one.recipient else one.customer_id)
        groups.setdefault(whom if one.digest else one.id, []).append(one)
    return list(groups.values())
