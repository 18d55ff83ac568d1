"""Owns what is charged: ``invoices``, ``fee_charges``, ``usage_invoice_items``, ``invoice_numbers``.

Does not own what was used (metering) or the arithmetic of prices (rating).
"""
