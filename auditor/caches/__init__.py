"""Where finished pictures wait for the next request: one file a store."""
