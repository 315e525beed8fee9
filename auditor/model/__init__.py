"""The vocabulary: events, keys, plans, findings, waste. It imports nothing else of this package."""
