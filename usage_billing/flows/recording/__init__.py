"""The flows that make or change recordings: recording usage, voiding it, importing it, and the quarantine."""
