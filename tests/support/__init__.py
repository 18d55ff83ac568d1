"""What the tests stand on: real servers, a database each, callers with credentials."""
