"""Finding what is wrong with a set-up: the founding document's common troubles and their kin, each with its cure.

It looks and never changes anything; a check that cannot look says so instead of failing the others.
"""
