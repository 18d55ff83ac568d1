"""How many processes of the API share this address; gunicorn's main process says it to those that it forks."""

number = 1
"""Each counts a caller's requests for itself, so a caller may make up to so many times its limit."""
