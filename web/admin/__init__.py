"""The pages of operators: what is due, stuck or odd, and its cure.

Every page but those that let an operator in asks for a session, by ``gate.looking`` or ``gate.changing``. Every figure
is that of a report, and what changes the books is a flow that the API and the commands call, too.
"""
