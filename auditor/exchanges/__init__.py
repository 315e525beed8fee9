"""HTTP exchanges that foreign logs tell of -> usage events."""
