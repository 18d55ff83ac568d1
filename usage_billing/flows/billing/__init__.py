"""One billing run from its opening to final invoices, and what an admin does to a single invoice."""
