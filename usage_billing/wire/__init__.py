"""Owns how each thing looks outside: one description of its fields per noun, for every door. Pure.

Does not own what is taken in (the doors), the arithmetic, or any table.
"""
