"""A billing run from its opening to finalized invoices, and what an admin does to a single invoice."""
