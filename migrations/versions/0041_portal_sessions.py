"""Sessions of customers on their pages, and the scope that opens them."""

from alembic import op

revision = "0041"
down_revision = "0040"

_BEFORE = "'usage:write', 'usage:read', 'billing:run', 'admin'"


def _scopes(words: str) -> None:
    # Keys are few, and the check is over before a request notices.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE api_keys DROP CONSTRAINT ck_api_keys_scopes")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"ALTER TABLE api_keys ADD CONSTRAINT ck_api_keys_scopes CHECK (scopes <@ ARRAY[{words}]::varchar[])"
    )


def upgrade() -> None:
    _scopes(f"{_BEFORE}, 'portal:open'")
    op.execute(
        "CREATE TABLE portal_sessions ("
        " id uuid NOT NULL,"
        ' customer_id varchar(128) COLLATE "C" NOT NULL,'
        " code_hash bytea NOT NULL,"
        " code_until timestamptz NOT NULL,"
        " cookie_hash bytea,"
        " opened_at timestamptz,"
        " expires_at timestamptz NOT NULL,"
        " ended_at timestamptz,"
        " pages varchar(32)[],"
        " locale varchar(16),"
        " timezone varchar(64),"
        " return_url varchar(2048),"
        " refresh_url varchar(2048),"
        " made_by varchar(160) NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now(),"
        " CONSTRAINT pk_portal_sessions PRIMARY KEY (id),"
        " CONSTRAINT fk_portal_sessions_customer_id FOREIGN KEY (customer_id) REFERENCES customers (id),"
        " CONSTRAINT uq_portal_sessions_code_hash UNIQUE (code_hash),"
        " CONSTRAINT uq_portal_sessions_cookie_hash UNIQUE (cookie_hash),"
        " CONSTRAINT ck_portal_sessions_code_hash CHECK (length(code_hash) = 32),"
        " CONSTRAINT ck_portal_sessions_cookie_hash CHECK (length(cookie_hash) = 32),"
        " CONSTRAINT ck_portal_sessions_opened CHECK ((cookie_hash IS NULL) = (opened_at IS NULL)),"
        " CONSTRAINT ck_portal_sessions_some_page CHECK (cardinality(pages) > 0)"
        ")"
    )
    op.execute("CREATE INDEX ix_portal_sessions_expires_at ON portal_sessions (expires_at)")


def downgrade() -> None:
    op.execute("DROP TABLE portal_sessions")
    # A build before this one does not know the scope: keys that have it alone end, and the others lose it.
    op.execute("DELETE FROM api_keys WHERE scopes = ARRAY['portal:open']::varchar[]")
    op.execute("UPDATE api_keys SET scopes = array_remove(scopes, 'portal:open') WHERE 'portal:open' = ANY (scopes)")
    _scopes(_BEFORE)
