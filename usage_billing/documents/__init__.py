"""Owns what an invoice is as a document: ``invoice_documents``, the page, the PDF and the CSV of its items.

Does not own what the invoice says (invoicing) or when its document is made (a flow).
"""
