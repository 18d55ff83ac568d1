"""Reads and writes how far levels are reckoned in: a level goes on costing, also where nothing is recorded."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.db.session import once
from usage_billing.meters.definition import Level, Mode, Per
from usage_billing.meters.kept import first_seen
from usage_billing.meters.levels import Change, Stretch
from usage_billing.meters.moving import any_moving
from usage_billing.meters.queries import EVER

_CHAINS = text("""
    SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start, l.upto
    FROM usage_summaries AS s
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[])) AS k (subscription_id, usage_type_id)
        USING (subscription_id, usage_type_id)
    LEFT JOIN meter_levels AS l ON l.summary_id = s.id
    ORDER BY s.subscription_id, s.usage_type_id, s.period_start
""")
_CHANGES = text("""
    SELECT summary_id AS id, sum(total) AS total, sum(weighted) AS weighted
    FROM meter_totals
    WHERE summary_id = ANY(CAST(:ids AS bigint[]))
    GROUP BY summary_id
""")
# What a series is set to first changes it from what it was set to last, by the summaries before of the same group.
_CHANGES_OF_SET = text("""
    SELECT id, sum(latest[3] - before) AS total, sum(weighted + (first[3] - before) * first[1]) AS weighted
    FROM (
        SELECT c.id, t.first, t.latest, t.weighted, coalesce(
            lag(t.latest[3]) OVER (PARTITION BY c.together, t.series ORDER BY c.place), 0
        ) AS before
        FROM unnest(CAST(:ids AS bigint[]), CAST(:groups AS int[])) WITH ORDINALITY AS c (id, together, place)
        JOIN meter_totals AS t ON t.summary_id = c.id
        WHERE t.latest IS NOT NULL
    ) AS s
    GROUP BY id
""")
_LAST_OCCURRED = text("""
    SELECT u.occurred_at
    FROM usage AS u
    WHERE hashtextextended(u.subscription_id, 0) = hashtextextended(:subscription, 0)
        AND u.subscription_id = :subscription AND u.usage_type_id = :of
        AND usage_place(u.occurred_at, u.ordinal) >= usage_place(CAST(:after AS timestamptz), 0)
    ORDER BY usage_place(u.occurred_at, u.ordinal) DESC
    LIMIT 1
""")
_STANDING_AT = """
    SELECT CAST(x.dimensions AS text) AS dimensions, {value} AS value
    FROM usage_summaries AS s
    JOIN meter_buckets AS b ON b.summary_id = s.id AND greatest(b.bucket_start, s.period_start) < :at
    JOIN meter_series AS x
        ON x.subscription_id = s.subscription_id AND x.usage_type_id = s.usage_type_id AND x.series = b.series
    WHERE s.subscription_id = :subscription AND s.usage_type_id = :meter AND s.period_start < :at
        AND s.period_start >= :since
    GROUP BY x.dimensions
"""
_PUT = text("""
    INSERT INTO meter_levels (summary_id, upto, area, level)
    SELECT *
    FROM unnest(CAST(:ids AS bigint[]), CAST(:uptos AS timestamptz[]), CAST(:areas AS numeric[]),
        CAST(:levels AS numeric[]))
    ON CONFLICT (summary_id) DO UPDATE SET upto = excluded.upto, area = excluded.area, level = excluded.level
""")
_DROP = text("DELETE FROM meter_levels WHERE summary_id = ANY(CAST(:ids AS bigint[]))")
# Where all series together stand at 0, some may be above and others below: prices by dimension tell them apart.
_SERIES_STAND = """
    d.dimensions <> '[]' AND EXISTS (
        SELECT
        FROM usage_summaries AS c
        JOIN meter_totals AS t ON t.summary_id = c.id
        WHERE c.subscription_id = s.subscription_id AND c.usage_type_id = s.usage_type_id
            AND c.period_start <= s.period_start AND (d.carry OR c.bills_at = s.bills_at)
        GROUP BY t.series
        HAVING CASE d.mode WHEN 'set' THEN (max(t.latest))[3] WHEN 'change' THEN sum(t.total) END <> 0
    )
"""
_GROWS = f"""
    m.retired_at IS NULL AND l.upto < s.period_end
    AND CASE WHEN l.level <> 0 OR d.per = 'period' THEN true ELSE {_SERIES_STAND} END
"""
_FROM = """
    FROM meter_levels AS l
    JOIN usage_summaries AS s ON s.id = l.summary_id
    JOIN meters AS m ON m.usage_type_id = s.usage_type_id
    JOIN meter_definitions AS d ON d.usage_type_id = s.usage_type_id AND d.version = 1
"""
# What stands when a pause begins goes on when it ends, whenever that is.
_GOES_ON = """
    m.retired_at IS NULL
    AND (d.carry AND l.level <> 0 OR s.period_end < s.bills_at AND (l.level <> 0 OR d.per = 'period'))
    AND NOT EXISTS (
        SELECT FROM usage_summaries AS n
        WHERE n.subscription_id = s.subscription_id AND n.usage_type_id = s.usage_type_id
            AND n.period_start > s.period_start
    )
    AND EXISTS (
        SELECT FROM subscriptions AS u
        WHERE u.id = s.subscription_id AND (u.ended_at IS NULL OR u.ended_at > s.period_end)
    )
"""
_GROWING = text(f"SELECT s.id {_FROM} WHERE s.id = ANY(CAST(:ids AS bigint[])) AND ({_GROWS} OR {_GOES_ON})")
_STANDING = text(f"""
    SELECT s.id, s.subscription_id, s.usage_type_id, t.unit_name, s.period_start, s.period_end, l.upto, l.area, l.level,
        d.mode, d.per, d.carry, {_GROWS} AS grows, d.carry AND m.retired_at IS NULL AS goes_on
    {_FROM}
    JOIN usage_types AS t ON t.id = s.usage_type_id
    WHERE s.subscription_id = ANY(CAST(:subscriptions AS text[]))
    ORDER BY s.subscription_id, s.usage_type_id, s.period_start
""")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Link:
    """A summary of a level, and until when it is reckoned in; None if it never was."""

    id: int
    subscription_id: str
    usage_type_id: str
    period_start: datetime
    upto: datetime | None


@dataclass(frozen=True, slots=True)
class StandingLevel:
    """A summary of a level as it was last reckoned. ``grows``: it comes to something else as time passes.

    ``goes_on``: what it ends at is where the next billing period begins.
    """

    id: int
    subscription_id: str
    usage_type_id: str
    unit_name: str
    period_start: datetime
    period_end: datetime
    upto: datetime
    area: Decimal
    level: Decimal
    mode: str
    per: str
    carry: bool
    grows: bool
    goes_on: bool

    @property
    def terms(self) -> Level:
        """How the level is made and counted."""
        return Level(Mode(self.mode), Per(self.per), self.carry)


def links_of(session: Session, keys: Collection[tuple[str, str]]) -> list[Link]:
    """All summaries of these levels, (subscription, meter), in order of time."""
    asked = {"subscriptions": [key[0] for key in keys], "types": [key[1] for key in keys]}
    return read_rows(session.execute(_CHAINS, asked), Link)


def changes_in(session: Session, groups: Mapping[int, int], level: Level) -> dict[int, Change]:
    """By summary: what the level of all series together changed by in it.

    ``groups`` has the ids in order of time, each with the number of those in which a level goes on.
    """
    if level.mode == Mode.SEEN:
        return {id: Change(Decimal(number)) for id, number in first_seen(session, list(groups)).items()}
    asked = {"ids": list(groups), "groups": list(groups.values())}
    rows = session.execute(_CHANGES_OF_SET if level.mode == Mode.SET else _CHANGES, asked)
    return {row.id: Change(row.total, row.weighted) for row in rows}


def last_recorded(
    session: Session, subscription_id: str, usage_type_id: str | None, *, after: datetime | None = None
) -> datetime | None:
    """When the last recording of a usage type occurred, taken back or not; None if there is none.

    With ``after`` it looks at nothing before then: other usage types may have recorded millions since the last of this.
    """
    asked = {"subscription": subscription_id, "of": usage_type_id, "after": after or EVER}
    found: datetime | None = session.scalar(_LAST_OCCURRED, asked)
    return found


def standing_at(
    session: Session, subscription_id: str, meter: str, at: datetime, *, level: Level, since: datetime = EVER
) -> list[tuple[Any, Decimal]]:
    """Where each series stands at an instant that cuts no bucket of a summary; of those that stand anywhere.

    A level that is not carried begins at ``since``.
    """
    statement = _STANDING_AT.format(value="(max(b.latest))[3]" if level.mode == Mode.SET else "sum(b.total)")
    asked = {"subscription": subscription_id, "meter": meter, "at": at, "since": since}
    rows = session.execute(text(statement), asked)
    return [(_decoder.decode(row.dimensions), row.value) for row in rows if row.value]


def put_levels(session: Session, stretches: Sequence[tuple[int, Stretch]]) -> None:
    """Keep how far summaries, by id, are reckoned in."""
    session.execute(
        _PUT,
        {
            "ids": [id for id, _ in stretches],
            "uptos": [one.upto for _, one in stretches],
            "areas": [one.area for _, one in stretches],
            "levels": [one.level for _, one in stretches],
        },
    )


def drop_levels(session: Session, summary_ids: Collection[int]) -> None:
    """Forget how far these summaries are reckoned in: they are no segment's, and come to nothing."""
    if summary_ids:
        session.execute(_DROP, {"ids": list(summary_ids)})


def growing(session: Session, summary_ids: Collection[int]) -> list[int]:
    """Those of these summaries that come to something else as time passes."""
    return list(session.scalars(_GROWING, {"ids": list(summary_ids)}))


def standing_levels(session: Session, subscription_ids: Collection[str]) -> Sequence[StandingLevel]:
    """The summaries of levels of these subscriptions as they were last reckoned, in order of time."""
    if not any_moving(session).levels:
        return []
    asked = {"subscriptions": list(subscription_ids)}
    key = ("standing levels", frozenset(subscription_ids))
    return once(session, key, lambda: read_rows(session.execute(_STANDING, asked), StandingLevel))
