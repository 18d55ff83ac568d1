"""Owns no table: expressions over a recording's metadata, in CEL's spelling, with exact decimals. Pure.

An expression is read once (``parse.py``), its kinds and sizes are checked (``check.py``), and it is compiled twice: to
Python (``python.py``), for trying out and for verifying, and to PostgreSQL (``sql.py``), for folding. Both give the
same result on every metadata.

A field that is missing, or that is not what its place wants, is *no value*: None in Python, NULL in SQL. What is
reckoned with it is no value either; ``&&`` and ``||`` know their answer where the other side decides.

Does not own what an expression is used for: that is a meter's.
"""
