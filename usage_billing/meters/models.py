"""The tables of meters. What folds write carries no foreign keys: it refers to rows that are never deleted."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.catalog.models import UsageType
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Total


class MeterDefinition(Base):
    """A version of what a meter counts; never edited. It holds for recordings of the periods that begin in its time.

    ``mode``, ``per`` and ``carry`` are a level's; of distinct values that are carried, ``seen`` and ``end``.
    ``windowing`` is ``Windowing.fields``; null without windows.

    ``value`` and ``condition`` are expressions over metadata: a null ``value`` is the recording's quantity, a null
    ``condition`` counts all. ``dimensions`` is ``[{"as": name, "value": expression}, ...]``.
    """

    __tablename__ = "meter_definitions"
    __table_args__ = (
        CheckConstraint("series_limit BETWEEN 1 AND 100000", name="series_limit"),
        CheckConstraint(
            "function IN ('sum', 'count', 'max', 'min', 'latest', 'unique_count', 'average', 'level')", name="function"
        ),
        CheckConstraint(
            "(CASE WHEN function = 'level' THEN mode IN ('change', 'set')"
            " AND per IN ('second', 'hour', 'day', 'period')"
            " WHEN carry THEN function = 'unique_count' AND mode = 'seen' AND per = 'end' AND windowing IS NULL"
            " ELSE mode IS NULL AND per IS NULL END) IS TRUE",
            name="level",
        ),
        CheckConstraint(
            "windowing IS NULL OR (function <> 'level' AND windowing ->> 'every' IN ('5m', 'hour', 'day')"
            " AND windowing ->> 'across' IN ('max', 'sum', 'average', 'percentile')"
            " AND windowing ->> 'empty' IN ('zero', 'skip')"
            " AND (windowing ->> 'across' = 'percentile') = (windowing ->> 'percent' IS NOT NULL)) IS TRUE",
            name="windowing",
        ),
    )

    usage_type_id: Mapped[Identifier] = mapped_column(ForeignKey(UsageType.id), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    function: Mapped[str] = mapped_column(String(16))
    value: Mapped[str | None] = mapped_column(Text)
    condition: Mapped[str | None] = mapped_column(Text)
    dimensions: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    series_limit: Mapped[int] = mapped_column(Integer)
    mode: Mapped[str | None] = mapped_column(String(8))
    per: Mapped[str | None] = mapped_column(String(8))
    carry: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    windowing: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    effective_from: Mapped[Instant]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Meter(Base):
    """A usage type that is folded: those recordings of its type ``of`` count that occurred at ``since`` or later.

    One without ``of`` is no meter: its own recordings are kept by time, so that they can be read so.

    ``looked_back`` says that the periods which were there before the meter are folded. What is recorded from
    ``retired_at`` on, by the clock of the database, is not counted (null: it counts).
    """

    __tablename__ = "meters"

    usage_type_id: Mapped[Identifier] = mapped_column(ForeignKey(UsageType.id), primary_key=True)
    since: Mapped[Instant]
    looked_back: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    retired_at: Mapped[Instant | None]


class MeterSeries(Base):
    """One combination of a meter's dimension values under a subscription. ``series`` is the MD5 of the values."""

    __tablename__ = "meter_series"

    subscription_id: Mapped[Identifier] = mapped_column(primary_key=True)
    usage_type_id: Mapped[Identifier] = mapped_column(primary_key=True)
    series: Mapped[UUID] = mapped_column(primary_key=True)
    dimensions: Mapped[list[Any]] = mapped_column(JSONB)


class MeterFold(Base):
    """How far the recordings of a summary are counted into a meter: up to which ordinal, and up to which void.

    ``starts`` are where the meter's own segments begin in that summary, in order, and ``summaries`` their summaries: a
    recording that is taken back leaves the summary that it came to. ``skipped`` is the number of recordings without a
    value, ``unfit`` that of dimension values that were a list, an object or too long and count as null.
    """

    __tablename__ = "meter_folds"
    __table_args__ = (
        CheckConstraint("folded >= 0 AND folded_voids >= 0 AND skipped >= 0 AND unfit >= 0", name="numbers"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    source_summary_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    usage_type_id: Mapped[Identifier] = mapped_column(primary_key=True)
    folded: Mapped[int] = mapped_column(BigInteger, server_default="0")
    folded_voids: Mapped[int] = mapped_column(BigInteger, server_default="0")
    skipped: Mapped[int] = mapped_column(BigInteger, server_default="0")
    unfit: Mapped[int] = mapped_column(BigInteger, server_default="0")
    starts: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default=text("'{}'"))
    summaries: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))


class MeterTotal(Base):
    """What a series has come to in a summary; ``events`` is the number of recordings that count in it.

    ``total`` is the sum of their values. Of a level that changes, ``weighted`` is the sum of each change times the
    microseconds from the epoch to it. Of one that is set, ``first`` is as ``latest`` is, and ``weighted`` is that sum
    over the changes from one value to the next. ``maximum``, ``minimum`` and ``latest`` are kept for the function that
    wants them, and null without recordings; ``latest`` is {microseconds since the epoch, ordinal, value}. So are
    ``distinct_values``. Where a meter has dimensions, the row of ``counting.WHOLE`` has those of all series together,
    and no events.
    """

    __tablename__ = "meter_totals"
    __table_args__ = ({"postgresql_with": {"fillfactor": "70"}},)

    summary_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    series: Mapped[UUID] = mapped_column(primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[Total]
    maximum: Mapped[Total | None]
    minimum: Mapped[Total | None]
    latest: Mapped[list[Decimal] | None] = mapped_column(ARRAY(Numeric))
    first: Mapped[list[Decimal] | None] = mapped_column(ARRAY(Numeric))
    weighted: Mapped[Decimal | None] = mapped_column(Numeric)
    distinct_values: Mapped[int | None] = mapped_column(BigInteger)


class MeterBucket(Base):
    """What a series has come to in one stretch of a summary, by default an hour. ``bucket_start`` is where it begins.

    The stretch is short enough that each hour of the subscription's local clock is made of whole ones.
    """

    __tablename__ = "meter_buckets"
    __table_args__ = ({"postgresql_with": {"fillfactor": "70"}},)

    summary_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    bucket_start: Mapped[Instant] = mapped_column(primary_key=True)
    series: Mapped[UUID] = mapped_column(primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[Total]
    maximum: Mapped[Total | None]
    minimum: Mapped[Total | None]
    latest: Mapped[list[Decimal] | None] = mapped_column(ARRAY(Numeric))
    first: Mapped[list[Decimal] | None] = mapped_column(ARRAY(Numeric))
    weighted: Mapped[Decimal | None] = mapped_column(Numeric)


class MeterValue(Base):
    """How many recordings of a series in a summary have a value: ``digest`` is 16 bytes of its SHA-256.

    The series ``counting.WHOLE`` has those of all series together.
    """

    __tablename__ = "meter_values"
    __table_args__ = ({"postgresql_with": {"fillfactor": "70"}},)

    summary_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    series: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class MeterWindowValue(Base):
    """How many recordings in a window of a summary have a value; of all series together.

    ``window_start`` is where the whole window begins, also where the summary's segment begins within it.
    """

    __tablename__ = "meter_window_values"
    __table_args__ = ({"postgresql_with": {"fillfactor": "70"}},)

    summary_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    window_start: Mapped[Instant] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class MeterLevel(Base):
    """Until when the level of a summary is reckoned in: its ``area`` from its start ``upto`` then, and where it stands.

    The area is in units times microseconds, and exact. A level goes on costing: the summary's total is that of
    ``upto``, and has to be reckoned anew until it is the segment's end.
    """

    __tablename__ = "meter_levels"
    __table_args__ = ({"postgresql_with": {"fillfactor": "70"}},)

    summary_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    upto: Mapped[Instant]
    area: Mapped[Decimal] = mapped_column(Numeric)
    level: Mapped[Decimal] = mapped_column(Numeric)
