"""The hall: one use case per file, each within the transaction that its door opened. No flow commits."""
