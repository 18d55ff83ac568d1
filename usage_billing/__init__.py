"""Usage-based billing: record what customers use, compare it with their plan's quota, invoice the rest once."""

__version__ = "0.1.0"
