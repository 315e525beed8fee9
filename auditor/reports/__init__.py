"""Results -> bytes: one file a format."""
