"""The command ``up``: which processes a stack has, how they are started, and what is said first."""
