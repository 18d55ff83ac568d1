"""Pages: what they show, who may look, in a test's own process and in a real browser."""
