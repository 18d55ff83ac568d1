"""Owns what is sold beforehand, and that it was sold: ``packages``, ``package_versions``, ``purchases``
and ``purchase_charges``, what is due for them.

Does not own the wallets and grants that a purchase fills, or the invoices that charge for it.
"""
