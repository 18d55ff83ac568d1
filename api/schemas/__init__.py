"""Bodies, parameters and answers as marshmallow schemas: what is checked is what the OpenAPI document says."""
