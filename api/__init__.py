"""The door through which HTTP comes in: parse, ask one flow or report, answer.

Owns the wire format, credentials of a request, problems and documentation. Does not own what a request means.
"""

from api.app import create_app

__all__ = ["create_app"]
