"""The flows of alerts: what is watched, judging it, and telling what was crossed."""
