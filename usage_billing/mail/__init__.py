"""Owns what mail remembers: how many each address got in its hour, and which customer wants none of what:
``mail_hours``, ``mail_refusals``. Beside them what a mail says, how it is written, and how it is handed over by SMTP.

Does not own what is sent to whom: a mail is a delivery of ``webhooks`` to an endpoint of the kind ``email``.
"""
