"""The cellar's other half: engine, transactions, column types, locks.

Owns the one commit of the house (``session.transaction``). Knows no table.
"""
