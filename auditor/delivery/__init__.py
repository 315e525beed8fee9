"""Delivery: reports on their way to people, each to each place once."""
