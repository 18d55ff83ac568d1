"""Telling others: facts become events, and events become deliveries."""
