"""Owns what an invoice is as a document, and which are to be made: ``invoice_documents``, ``document_requests``.

Does not own what the invoice says (invoicing) or when its document is made (a flow).
"""
