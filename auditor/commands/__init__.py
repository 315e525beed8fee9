"""One file a command: options to exit code. Imported only when the command runs."""
