"""The pages of a customer: what was used, what it costs, what was invoiced.

Every page but the link that opens them asks for a session, by ``gate.visiting``. Every figure is that of a report.
"""
