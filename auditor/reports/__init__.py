"""Findings -> bytes, one file a format."""
