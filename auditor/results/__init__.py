"""What every command found, as data, and its JSON."""
