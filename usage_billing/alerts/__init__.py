"""Owns what is watched and that it happened: ``alert_rules``, ``alert_firings``, ``alert_looks``,
``alert_wallets``, ``alert_projections``, ``alert_hours``.

Does not own the totals, the allowances and the prices that rules look at, nor whom events are sent to (webhooks).
"""
