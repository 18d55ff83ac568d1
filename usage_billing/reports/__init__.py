"""Read-only views across rooms: what was used, what became of a recording, invoices as they are shown.

Owns no table and changes nothing.
"""
