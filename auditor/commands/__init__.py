"""One file a command: its options and what it does. Heavy imports wait until it runs."""
