"""Recording usage, taking it back, importing it, and the quarantine: what makes or changes recordings."""
