"""Making the documents of invoices."""
