"""Owns what is charged: ``invoices``, ``usage_invoice_items``, ``invoice_numbers``.

Does not own what was used (metering) or the arithmetic of prices (rating).
"""
