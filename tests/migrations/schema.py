"""What a database's schema is, read from PostgreSQL's own catalogue: the same text for the same schema."""

from sqlalchemy import Engine, create_engine, text

_PARTS = {
    "columns": """
        SELECT c.table_name, c.column_name, c.data_type, c.character_maximum_length, c.numeric_precision,
               c.numeric_scale, c.is_nullable, c.column_default, c.collation_name, c.is_identity,
               c.identity_generation, rank() OVER (PARTITION BY c.table_name ORDER BY c.ordinal_position)
        FROM information_schema.columns AS c WHERE c.table_schema = 'public' AND c.table_name <> 'alembic_version'
    """,
    "constraints": """
        SELECT k.relname, c.conname, c.contype, pg_get_constraintdef(c.oid), c.convalidated
        FROM pg_constraint AS c JOIN pg_class AS k ON k.oid = c.conrelid
        WHERE k.relnamespace = 'public'::regnamespace AND k.relname <> 'alembic_version' AND c.contype <> 't'
    """,
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    """,
    "storage": """
        SELECT relname, reloptions FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    """,
}
_CODE = {
    "functions": """
        SELECT p.proname, pg_get_functiondef(p.oid) FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
          AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
    """,
    "triggers": "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "types": """
        SELECT t.typname FROM pg_type AS t WHERE t.typnamespace = 'public'::regnamespace AND t.typtype = 'e'
    """,
    "extensions": "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'",
}


def read_schema(url: str, *, code: bool = True) -> dict[str, list[str]]:
    """Tables, and with ``code`` triggers, functions, types and extensions, each as sorted lines."""
    engine = create_engine(url)
    try:
        return {name: _lines(engine, query) for name, query in (_PARTS | (_CODE if code else {})).items()}
    finally:
        engine.dispose()


def _lines(engine: Engine, query: str) -> list[str]:
    with engine.connect() as connection:
        return sorted(str(tuple(row)) for row in connection.execute(text(query)))
