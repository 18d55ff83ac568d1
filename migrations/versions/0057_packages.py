"""Packages that are sold beforehand, their purchases, and what is due for them.

The tables are new and empty. What is there is looked at in 0058.
"""

from alembic import op

revision = "0057"
down_revision = "0056"

_TABLES = (
    """
    CREATE TABLE packages (
        id VARCHAR(128) COLLATE "C" NOT NULL,
        name VARCHAR(256) NOT NULL,
        unit_name VARCHAR(64) NOT NULL,
        usage_types VARCHAR(128)[] COLLATE "C" NOT NULL,
        currency VARCHAR(3) NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_packages PRIMARY KEY (id),
        CONSTRAINT ck_packages_usage_types CHECK (cardinality(usage_types) > 0)
    )
    """,
    """
    CREATE TABLE package_versions (
        package_id VARCHAR(128) COLLATE "C" NOT NULL,
        version INTEGER NOT NULL,
        amount NUMERIC(28, 12) NOT NULL,
        price NUMERIC(48, 4) NOT NULL,
        priority INTEGER NOT NULL,
        validity_interval VARCHAR(16),
        validity_count INTEGER,
        tax_category VARCHAR(2) NOT NULL,
        payment_days INTEGER NOT NULL,
        effective_from TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_package_versions PRIMARY KEY (package_id, version),
        CONSTRAINT uq_package_versions_package_id_effective_from UNIQUE (package_id, effective_from),
        CONSTRAINT ck_package_versions_version CHECK (version > 0),
        CONSTRAINT ck_package_versions_amount CHECK (amount > 0 AND amount <= 1e15),
        CONSTRAINT ck_package_versions_price CHECK (price > 0 AND price <= 1e15),
        CONSTRAINT ck_package_versions_priority CHECK (priority BETWEEN 0 AND 100),
        CONSTRAINT ck_package_versions_validity CHECK (num_nulls(validity_interval, validity_count) IN (0, 2)),
        CONSTRAINT ck_package_versions_validity_interval CHECK (validity_interval IN ('day', 'week', 'month', 'quarter', 'year')),
        CONSTRAINT ck_package_versions_validity_count CHECK (validity_count BETWEEN 1 AND 366),
        CONSTRAINT ck_package_versions_payment_days CHECK (payment_days >= 0),
        CONSTRAINT ck_package_versions_tax_category CHECK (tax_category IN ('S', 'AA', 'Z', 'E', 'AE', 'G', 'O')),
        CONSTRAINT fk_package_versions_package_id FOREIGN KEY(package_id) REFERENCES packages (id)
    )
    """,
    """
    CREATE TABLE purchase_charges (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        subscription_id VARCHAR(128) COLLATE "C",
        package_name VARCHAR(256) NOT NULL,
        count INTEGER NOT NULL,
        sold_at TIMESTAMP WITH TIME ZONE NOT NULL,
        amount NUMERIC(48, 4) NOT NULL,
        currency VARCHAR(3) NOT NULL,
        tax_category VARCHAR(2) NOT NULL,
        payment_days INTEGER NOT NULL,
        to_charge BOOLEAN NOT NULL,
        CONSTRAINT pk_purchase_charges PRIMARY KEY (id),
        CONSTRAINT ck_purchase_charges_amount CHECK (amount >= 0 AND amount <= 1e27),
        CONSTRAINT ck_purchase_charges_count CHECK (count > 0),
        CONSTRAINT ck_purchase_charges_to_charge CHECK (NOT to_charge OR subscription_id IS NOT NULL),
        CONSTRAINT fk_purchase_charges_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id)
    )
    """,
    """
    CREATE TABLE purchases (
        id UUID NOT NULL,
        customer_id VARCHAR(128) COLLATE "C" NOT NULL,
        subscription_id VARCHAR(128) COLLATE "C",
        package_id VARCHAR(128) COLLATE "C" NOT NULL,
        version INTEGER NOT NULL,
        key VARCHAR(128) COLLATE "C" NOT NULL,
        count INTEGER NOT NULL,
        charge VARCHAR(16) NOT NULL,
        reference VARCHAR(256),
        wallet_id VARCHAR(128) COLLATE "C" NOT NULL,
        grant_id UUID NOT NULL,
        charge_id BIGINT,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_purchases PRIMARY KEY (id),
        CONSTRAINT uq_purchases_customer_id_key UNIQUE (customer_id, key),
        CONSTRAINT uq_purchases_grant_id UNIQUE (grant_id),
        CONSTRAINT uq_purchases_charge_id UNIQUE (charge_id),
        CONSTRAINT ck_purchases_charge CHECK (charge IN ('next_invoice', 'now', 'paid')),
        CONSTRAINT ck_purchases_charge_id CHECK ((charge = 'paid') = (charge_id IS NULL)),
        CONSTRAINT ck_purchases_next_invoice CHECK (charge <> 'next_invoice' OR subscription_id IS NOT NULL),
        CONSTRAINT ck_purchases_count CHECK (count > 0),
        CONSTRAINT fk_purchases_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id),
        CONSTRAINT fk_purchases_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
        CONSTRAINT fk_purchases_package_id_version FOREIGN KEY(package_id, version)
            REFERENCES package_versions (package_id, version),
        CONSTRAINT fk_purchases_wallet_id FOREIGN KEY(wallet_id) REFERENCES wallets (id),
        CONSTRAINT fk_purchases_grant_id FOREIGN KEY(grant_id) REFERENCES wallet_grants (id),
        CONSTRAINT fk_purchases_charge_id FOREIGN KEY(charge_id) REFERENCES purchase_charges (id)
    )
    """,
)
_INDEXES = (
    "CREATE INDEX ix_purchases_package ON purchases (package_id, id)",
    "CREATE INDEX ix_purchase_charges_to_charge ON purchase_charges (subscription_id) WHERE to_charge",
)


def upgrade() -> None:
    for statement in (*_TABLES, *_INDEXES):
        op.execute(statement)
    op.execute(
        "ALTER TABLE usage_invoice_items ADD CONSTRAINT fk_usage_invoice_items_purchase_id"
        " FOREIGN KEY (purchase_id) REFERENCES purchase_charges (id) NOT VALID"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE usage_invoice_items DROP CONSTRAINT fk_usage_invoice_items_purchase_id")
    for name in ("purchases", "purchase_charges", "package_versions", "packages"):
        op.drop_table(name)
