"""The declarative base that every room's tables share."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

# Every constraint has a name, so that a migration can drop it and an error can be traced to its rule.
NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(DeclarativeBase):
    """Parent of every model; ``Base.metadata`` is what Alembic compares."""

    metadata = MetaData(naming_convention=NAMING)
