"""From bytes on the wire to domain values; one file per format that we take in."""
