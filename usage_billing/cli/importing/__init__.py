"""The command ``import``: usage from CSV and JSON Lines files."""
