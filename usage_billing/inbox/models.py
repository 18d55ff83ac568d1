"""The tables of the inbox on PostgreSQL. They have no foreign keys, and no table of the books refers to them."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Identity, Integer, LargeBinary, PrimaryKeyConstraint, Text
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base


class InboxEntry(Base):
    """What one request appended to one shard: ``data`` encodes ``count`` recordings. Deleted once they are recorded."""

    __tablename__ = "inbox_entries"
    __table_args__ = (
        PrimaryKeyConstraint("shard", "id"),
        # Every row is soon deleted. Without frequent vacuums the drain would read through the dead rows each time.
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0",
                "autovacuum_vacuum_threshold": "5000",
                "autovacuum_vacuum_cost_delay": "0",
            }
        },
    )

    shard: Mapped[int] = mapped_column(Integer)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    count: Mapped[int] = mapped_column(Integer)
    appended_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=sql("clock_timestamp()"))
    data: Mapped[bytes] = mapped_column(LargeBinary)


class InboxShard(Base):
    """Hints about a shard: until when a drain counts as woken, which entry was tried how often, and the suspect.

    The table is unlogged: it is written for every batch, and if a crash of the server empties it nothing is lost.
    """

    __tablename__ = "inbox_shards"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    shard: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    awake_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    first: Mapped[str] = mapped_column(Text, server_default="")
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    suspect: Mapped[str] = mapped_column(Text, server_default="")
