"""How a migration runs: one transaction each, and never waiting long for a lock.

A migration that queues behind a long transaction makes every later query queue behind the migration;
``lock_timeout`` lets it fail instead, to be run again.
"""

import time

from alembic import context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

# Serialises two starts that migrate at once; the loser finds nothing left to do.
MIGRATION_LOCK = 0x5542_0003
# As long as one statement of a migration may take.
LOCK_SECONDS = 600


def _run(connection: Connection) -> None:
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.execute(text("SET statement_timeout = '10min'"))
    _wait_for_the_lock(connection)
    # Only now, alone, does this start know where the database stands.
    context.config.attributes["before"] = _revision(connection)
    metadata = context.config.attributes.get("metadata")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()
    context.config.attributes["after"] = _revision(connection)


def _revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return revision


def _wait_for_the_lock(connection: Connection) -> None:
    """Look for the lock now and then, with no transaction open in between.

    A start that waits inside one holds a snapshot, and a migration that makes an index beside the service waits for
    all snapshots: the two would wait for each other.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": MIGRATION_LOCK}):
        connection.commit()
        if time.monotonic() > deadline:
            raise TimeoutError("another process is migrating this database and does not come to an end")
        time.sleep(0.2)
    connection.commit()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    engine = create_engine(context.config.attributes["url"], connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as fresh:
            _run(fresh)
    finally:
        engine.dispose()
