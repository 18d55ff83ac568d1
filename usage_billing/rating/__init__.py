"""Owns what a quantity costs: prices and their arithmetic. Pure; does not own which price applies (catalog)."""
