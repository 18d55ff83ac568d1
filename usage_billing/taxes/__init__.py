"""Owns which rates of tax hold where and from when: ``tax_rates``.

Does not own which of them is for whom (rating) or what an invoice has of it (invoicing).
"""
