"""Finding what is wrong with a set-up: the founding document's common troubles and their kin, each with its cure.

The doctor looks and never changes anything. A check that cannot look says so, and the others still run.
"""
