"""The command ``migrate``: the schema brought to a version."""
