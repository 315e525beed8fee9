"""Bytes -> records: what several formats share."""
