"""Tax of final invoices, reckoned again from their items: by fractions, and by the rates that the table has."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.rating.currency import minor_unit
from usage_billing.reports.verify.difference import Difference

_INVOICES = text(
    """
    SELECT i.id, i.currency, i.status, i.tax, i.taxes, (
        SELECT jsonb_agg(jsonb_build_array(g.tax_category, g.tax_country, g.tax_rate::text, g.amount::text))
        FROM (
            SELECT tax_category, tax_country, tax_rate, sum(amount) AS amount FROM (
                SELECT tax_category, tax_country, tax_rate, amount FROM usage_invoice_items WHERE invoice_id = i.id
                UNION ALL
                SELECT tax_category, tax_country, tax_rate, -amount FROM invoice_prepaid WHERE invoice_id = i.id
            ) AS taxed
            WHERE tax_category IS NOT NULL GROUP BY 1, 2, 3
        ) AS g
    ) AS sums
    FROM invoices AS i
    WHERE (i.tax <> 0 OR i.taxes IS NOT NULL
            OR EXISTS (SELECT FROM usage_invoice_items AS t WHERE t.invoice_id = i.id AND t.tax_category IS NOT NULL))
        AND (CAST(:only AS text) IS NULL OR i.subscription_id = :only)
    ORDER BY i.id
    """
)
# A charge of its own is taxed if the seller's tax goes by rules, by the buyer's country and a rate that holds on its
# last day. What is put right goes by how its cause was taxed before: as the latest earlier item that stands, or a later
# one whose invoice is void by now, for it may have stood then.
_RATES = text(
    """
    SELECT t.id, t.tax_category, t.tax_country, t.tax_rate, i.buyer -> 'address' ->> 'country' AS buyer, was.stands
    FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
    LEFT JOIN subscriptions AS s ON s.id = i.subscription_id
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(j.status <> 'void'), false) AS stands, coalesce(bool_or(
            (e.tax_category, e.tax_country, e.tax_rate) IS NOT DISTINCT FROM (t.tax_category, t.tax_country, t.tax_rate)
        ), false) AS same
        FROM usage_invoice_items AS e JOIN invoices AS j ON j.id = e.invoice_id
        WHERE t.kind = 'adjustment' AND (e.summary_id = t.summary_id OR e.fee_id = t.fee_id
                OR e.purchase_id = t.purchase_id)
            AND e.amount <> 0 AND j.number < i.number
            AND NOT EXISTS (
                SELECT FROM usage_invoice_items AS l JOIN invoices AS k ON k.id = l.invoice_id
                WHERE (l.summary_id = t.summary_id OR l.fee_id = t.fee_id OR l.purchase_id = t.purchase_id)
                    AND l.amount <> 0 AND k.status <> 'void' AND k.number > j.number AND k.number < i.number)
    ) AS was
    WHERE (t.tax_category IS NOT NULL OR t.amount <> 0 AND (i.taxes IS NOT NULL
            OR t.kind = 'adjustment' AND EXISTS (SELECT FROM invoices WHERE taxes IS NOT NULL)))
        AND (CAST(:only AS text) IS NULL OR i.subscription_id = :only)
        AND NOT was.same
        AND (was.stands OR CASE
            WHEN (t.tax_category IS NOT NULL) <> (coalesce(i.seller -> 'taxes' ->> 'mode', '') = 'rules') THEN true
            WHEN t.tax_category IS NULL THEN false
            WHEN t.tax_category <> 'S' THEN t.tax_rate <> 0 OR t.tax_country IS NOT NULL
            ELSE t.tax_country IS DISTINCT FROM i.buyer -> 'address' ->> 'country' OR NOT EXISTS (
                SELECT FROM tax_rates AS r WHERE r.country = t.tax_country AND r.rate = t.tax_rate
                    AND r.effective_from <=
                        CAST((t.period_end - interval '1 microsecond') AT TIME ZONE coalesce(s.timezone, 'UTC') AS date)
            ) END)
    """
)


def tax_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with the tax of invoices."""
    for row in session.execute(_INVOICES, {"only": only}):
        subject = f"invoice:{row.id}"
        if row.status == "draft":
            yield Difference("tax_of_draft", subject, "it is a draft, and tax is kept with it")
            continue
        stands = sorted(_line(line) for line in row.taxes or ())
        should = sorted(_reckoned(row.sums or [], minor_unit(row.currency)))
        if stands != should:
            yield Difference("tax_lines", subject, f"its tax is {_told(stands)}, its items give {_told(should)}")
        if Fraction(row.tax) != sum((line[-1] for line in stands), Fraction(0)):
            yield Difference("tax_total", subject, f"its tax is {row.tax}, its lines are {_told(stands)}")
    for row in session.execute(_RATES, {"only": only}):
        taxed = f"taxed as {row.tax_category} at {row.tax_rate} of {row.tax_country}"
        if row.tax_category is None:
            taxed = "not taxed"
        message = f"it is {taxed}, its buyer is in {row.buyer}, and no such rate holds"
        if row.stands:
            message = f"it is {taxed}, and what it puts right was taxed otherwise"
        yield Difference("item_tax", f"item:{row.id}", message)


_Line = tuple[str, str, Fraction, Fraction, Fraction]
"""(category, country, rate, base, amount)."""


def _line(kept: dict[str, Any]) -> _Line:
    figures = Fraction(kept["rate"]), Fraction(kept["base"]), Fraction(kept["amount"])
    return kept["category"], kept["country"] or "", *figures


def _reckoned(sums: list[list[str | None]], digits: int) -> Iterator[_Line]:
    for category, country, rate, amount in sums:
        base, per_cent, unit = Fraction(amount or 0), Fraction(rate or 0), 10**digits
        units = abs(base) * per_cent / 100 * unit
        whole = (2 * units + 1) // 2  # half up, away from zero
        yield category or "", country or "", per_cent, base, Fraction(whole if base > 0 else -whole, unit)


def _told(lines: list[_Line]) -> str:
    told = (f"{_plain(line[-1])} on {_plain(line[-2])} ({line[0]} {_plain(line[2])} %)" for line in lines)
    return ", ".join(told) or "none"


def _plain(figure: Fraction) -> str:
    return f"{Decimal(figure.numerator) / figure.denominator:f}"
