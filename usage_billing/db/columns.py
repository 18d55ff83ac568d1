"""Column types with one meaning each, so that a model reads like its table."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from sqlalchemy import BigInteger, DateTime, Numeric, String
from sqlalchemy.orm import mapped_column

from usage_billing.core.decimals import PLACES

Identifier = Annotated[str, mapped_column(String(128, collation="C"))]
"""A name that a caller gave. With collation C it is compared as bytes, and is cheaper to index."""

Quantity = Annotated[Decimal, mapped_column(Numeric(15 + 1 + PLACES, PLACES))]
"""The quantity of one recording, or an allowance."""

Total = Annotated[Decimal, mapped_column(Numeric(40, PLACES))]
"""A sum of quantities: wide enough that no number of recordings overflows it."""

Price = Annotated[Decimal, mapped_column(Numeric(13 + PLACES, PLACES))]
"""A unit price, in units of its currency."""

Money = Annotated[Decimal, mapped_column(Numeric(48, 4))]
"""An amount, rounded to its currency's minor unit; four places hold every ISO 4217 currency."""

Rate = Annotated[Decimal, mapped_column(Numeric(9, 6))]
"""A rate of tax in per cent."""

Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
"""An aware time."""

BigId = Annotated[int, mapped_column(BigInteger)]
