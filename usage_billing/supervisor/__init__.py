"""Starting, watching and ending processes.

Owns the launcher that ties a process to its parent's life, ordered start and stop, restarts with a bounded
backoff, and the prefixed console. Does not own what the processes are: `up` and ``embedded`` say that.
"""
