"""The codes of problems and what each means: served at /api/docs/problems and listed in docs/problems.md.

A code is wire format: once released it keeps its meaning. A test compares the codes in use with this table.
"""

from typing import Any

MEDIA_TYPE = "application/problem+json"

CODES: dict[str, str] = {
    # 400: not well-formed
    "bad_request": "The request is not well-formed HTTP, or its body was cut short.",
    "bad_cursor": "The cursor is none that a list of this version answered; begin without one.",
    "not_json": "The body is not one JSON text; NaN and Infinity are not JSON.",
    "not_utf8": "The body is not UTF-8, or begins with a byte order mark.",
    "number_too_long": "A number in the body has more than 128 characters or an exponent of five digits.",
    "repeated_name": "One object of the body has the same name twice.",
    "too_deep": "The body is nested too deep to be read.",
    # 401: who are you?
    "not_authenticated": "No credential, or none in a form that is understood.",
    "contradicting_credentials": "x-api-key and Authorization name different callers.",
    "key_invalid": "The API key does not hold.",
    "key_expired": "The API key held until its expiry, which is over.",
    "key_revoked": "The API key was revoked.",
    "token_invalid": "The token is not one of ours: its signature, algorithm, audience, issuer or subject is wrong.",
    "token_expired": "The token has expired.",
    "link_used": "The link to the pages was used already, is older than a minute, or never was one.",
    "session_over": "No session on the pages, or one that is over.",
    "tokens_not_configured": "Tokens are not accepted here; use an API key.",
    # 403
    "forbidden": "The credential holds, but not for this.",
    "not_for_this_key": "The key is bound, and not to this; or the source is another key's.",
    "other_origin": "A form of a page of ours was sent from a page of another origin.",
    "wrong_token": "A form without the token of the page that it is on, or with that of an old one.",
    "missing_scope": "The credential lacks the scope that this needs, or is a customer's where only services may ask.",
    # 404, 405
    "not_found": "No such thing, or not one of yours.",
    "nothing_upcoming": "There is nothing to invoice next; of an ended subscription the last invoice is final.",
    "method_not_allowed": "This address does not take this method; Allow says which.",
    # 409: contradicts what is stored
    "conflict": "The request contradicts what is stored.",
    "amount_differs": "The amount is not what is due: an invoice is paid whole.",
    "already_exists": "The id is taken.",
    "already_ended": "The subscription has an end already.",
    "already_invoiced": "Something due after the moment is invoiced; the detail names the first possible one.",
    "already_paused": "No longer sent: a pause of what is paused changes nothing (200, changed false).",
    "already_resolved": "The quarantined recording was replayed or discarded already.",
    "broken_payload": "The quarantined entry is no readable recording and cannot be replayed.",
    "key_ended": "The key was rotated or ended already.",
    "already_voided": "The recording was taken back already.",
    "change_happened": "The change is no longer planned: it has happened, and is not taken back.",
    "conflicting_credit": "The idempotencyKey has given other credit to this customer.",
    "already_void": "The grant is void already.",
    "conflicting_grant": "The idempotencyKey has made another grant of this wallet.",
    "cuts_posted": "The grant would divide usage of which what was paid for is final; the detail names the moment.",
    "draws_posted": "What a closed grant paid for of the usage that would move is final; the start stays.",
    "grant_closed": "The grant is closed: what it did not pay for has expired.",
    "grant_used": "A part of the grant paid for what is final; it cannot be taken back.",
    "overlapping_wallet": "Another wallet pays for the usage type already; the detail names it.",
    "conflicting_change": "Another change of that instant contradicts it; take that one back first.",
    "credit_spent": "The credit that the invoice granted has been used; it cannot be taken back.",
    "digest_changed": "The run would charge something else than the digest that was expected.",
    "in_progress": "The first request with this Idempotency-Key is under way; Retry-After says when to ask again.",
    "idempotency_key_reused": "The Idempotency-Key was used within a day for another request; take a new one.",
    "secret_already_given": "The request was done, and its answer with a secret was given twice; it is not kept.",
    "invoice_status": "An invoice in this status cannot become what was asked.",
    "document_failed": "The PDF could not be made, and is tried no more; the detail says why.",
    "tax_pending": "The tax of the invoice is not known; the detail says what is missing.",
    "meter_behind": "A meter has too much of the subscription's usage to count; folds in the background do so.",
    "not_a_meter": "The usage type counts its own recordings: it has no definition, no usage over time, no end.",
    "dimension_in_use": "A price names a dimension that the definition would lack; the detail names the quotas.",
    "meter_retired": "The meter is retired, and changes no more.",
    "not_paused": "No longer sent: to resume what runs changes nothing (200, changed false).",
    "not_running": "No period of the subscription is under way.",
    "not_started": "The subscription has not started by then.",
    "nothing_due": "Nothing is owed on the invoice, or nothing is left on the draft, which the next run takes away.",
    "period_open": "The period of the invoice is not over yet.",
    "plan_quota": "The quota is its plan's, not a subscription's own: its next version replaces it.",
    "usage_before": "Usage counts that a later start would leave out, or another one divide anew.",
    "usage_later": "Usage is recorded that occurred after the moment; the detail names the first possible one.",
    "would_reprice": "Recorded usage would become dearer by what the detail says; say repriceUsage if that is meant.",
    "still_refused": "The recording still cannot be counted; the detail says why.",
    # 413, 415
    "precondition_failed": "No tag in If-Match is that of the thing: it has changed since it was read.",
    "body_too_large": "The body is larger than it may be: USAGE_BILLING_MAX_BODY_BYTES for a batch, less for others.",
    "unsupported_media_type": "The body must be application/json in UTF-8, without Content-Encoding.",
    # 422: well-formed, and wrong; mostly codes of single fields
    "invalid_request": "Fields are wrong; errors says which.",
    "bad_text": "Text with NUL, a lone surrogate or, in names for people, a control character.",
    "contradiction": "Two parts of the request contradict each other.",
    "invalid": "The value is not acceptable; the detail says why.",
    "invalid_metadata": "The metadata is no object, or too large, or nested too deep, or cannot be kept.",
    "malformed_json": "This is not a JSON object.",
    "no_offset": "The time has no offset, such as Z or +02:00.",
    "not_a_choice": "None of the words that may stand here.",
    "not_a_decimal": "No plain decimal number, or too large, negative, or of too many decimal places.",
    "not_an_expression": "No expression; the message says why, and at which character.",
    "not_a_flag": "Neither true nor false.",
    "not_a_text": "Not a text.",
    "not_a_time": "No RFC 3339 time.",
    "not_a_day": "No day of the calendar, such as 2026-01-31.",
    "not_a_whole_number": "Not a whole number.",
    "not_a_language": "No language: two or three small letters, such as en, perhaps with a country, such as fr-CH.",
    "not_an_email": "No e-mail address.",
    "not_an_iban": "No IBAN, or one whose check digits are wrong.",
    "not_a_tax_id": "No tax id of the country, or one whose check digits are wrong.",
    "not_a_key": "No idempotency key and no source: a text of 1 to 1,024 characters without control characters.",
    "not_an_identifier": "No identifier: 1 to 128 printable ASCII characters but space and "
    "/ ? # % \\ \" ' < > , ; & = { }; a new one is neither . nor .. and does not begin with -.",
    "not_an_object": "Not a JSON object.",
    "not_supported": "Understood, but not offered by this version.",
    "other_currency": "The plan is in another currency.",
    "other_plan": "The plan is not the subscription's.",
    "out_of_order": "The values are not in the order that they must have.",
    "out_of_range": "Too small, too large, too short, too long, too early or too late.",
    "required": "Missing.",
    "too_fine": "Usage is kept by the hour, and the recordings are too many to be counted anew for shorter windows.",
    "too_far_back": "The start is so far back that the first run would make more invoices than it may.",
    "too_much": "The answer would have more than 10,000 numbers; the detail says what would fit.",
    "unbounded": "The last tier must be without an end, and only the last.",
    "repeated": "A parameter or header that may be given once is given twice.",
    "unknown": "No field or parameter of this request.",
    "unknown_country": "No country by ISO 3166: two capital letters, such as DE.",
    "unknown_currency": "No ISO 4217 currency that an invoice can be in.",
    "unknown_customer": "There is no such customer.",
    "unknown_plan": "There is no such plan.",
    "unknown_scope": "There is no such scope.",
    "unknown_subscription": "There is no such subscription.",
    "unknown_usage_type": "There is no such usage type.",
    "zone_not_aligned": "The windows of this zone cut the hours in which the subscription's usage is kept.",
    "not_an_address": "No address of a page: http or https, a host, and no blank.",
    "unknown_zone": "No time zone of the IANA database.",
    # 429
    "rate_limited": "Too many requests with this credential within a minute; Retry-After says when to go on.",
    "too_many_failures": "Too many credentials from this address did not hold; Retry-After says when to go on.",
    # 500, 503
    "internal_error": "A mistake of ours; the log has it under requestId.",
    "unavailable": "A part that is needed does not answer; nothing was changed, try again.",
    "clocks_apart": "This machine's clock and the database's are more than a minute apart: no run is started.",
    "backlog_full": "More recordings wait than may (USAGE_BILLING_MAX_BACKLOG); nothing was accepted, try again.",
    "database_unavailable": "The database does not answer; nothing was changed, try again.",
    "migrations_pending": "The database is not at the schema that this version needs: run usage-billing migrate.",
    "inbox_unavailable": "The inbox does not answer, so nothing can be accepted; try again with the same key.",
}


def members(status: int, code: str, *, title: str, detail: str, request_id: str) -> dict[str, Any]:
    """The members of a problem; every part of the service makes problems by this."""
    return {
        "type": f"/api/docs/problems#{code}" if code in CODES else "about:blank",
        "title": title,
        "status": status,
        "detail": printable(detail),
        "code": code,
        "requestId": request_id,
    }


def printable(text: str) -> str:
    """``text`` without lone surrogates: a message may quote what a caller sent, and they cannot be sent back."""
    return text.encode("utf-8", "backslashreplace").decode()
