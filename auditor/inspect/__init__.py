"""Inspect: images opened in a limited process, measured, and tried in other formats and sizes."""
