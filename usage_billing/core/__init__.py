"""The cellar: clock, errors, identifiers, exact decimals, money's one rounding rule, periods.

Owns nothing of the business and knows no database. Everything here is pure but the clock and ``new_id``.
"""
