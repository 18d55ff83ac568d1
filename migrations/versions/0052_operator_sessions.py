"""Sessions of operators on the admin pages."""

from alembic import op

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE operator_sessions ("
        " id uuid NOT NULL,"
        " actor varchar(160) NOT NULL,"
        " key_id uuid,"
        " code_hash bytea,"
        " code_until timestamptz,"
        " cookie_hash bytea,"
        " opened_at timestamptz,"
        " seen_at timestamptz,"
        " expires_at timestamptz NOT NULL,"
        " ended_at timestamptz,"
        " created_at timestamptz NOT NULL DEFAULT now(),"
        " CONSTRAINT pk_operator_sessions PRIMARY KEY (id),"
        " CONSTRAINT fk_operator_sessions_key_id FOREIGN KEY (key_id) REFERENCES api_keys (id),"
        " CONSTRAINT uq_operator_sessions_code_hash UNIQUE (code_hash),"
        " CONSTRAINT uq_operator_sessions_cookie_hash UNIQUE (cookie_hash),"
        " CONSTRAINT ck_operator_sessions_code_hash CHECK (length(code_hash) = 32),"
        " CONSTRAINT ck_operator_sessions_cookie_hash CHECK (length(cookie_hash) = 32),"
        " CONSTRAINT ck_operator_sessions_code CHECK ((code_hash IS NULL) = (code_until IS NULL)),"
        " CONSTRAINT ck_operator_sessions_opened CHECK ("
        "  (cookie_hash IS NULL) = (opened_at IS NULL) AND (cookie_hash IS NULL) = (seen_at IS NULL)),"
        " CONSTRAINT ck_operator_sessions_way_in CHECK (num_nonnulls(code_hash, cookie_hash) > 0)"
        ")"
    )
    op.execute("CREATE INDEX ix_operator_sessions_expires_at ON operator_sessions (expires_at)")


def downgrade() -> None:
    op.execute("DROP TABLE operator_sessions")
