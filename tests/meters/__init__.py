"""Meters: definitions, folding, series, prices; each beside arithmetic of the tests' own."""
