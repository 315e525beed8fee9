"""Inputs -> records: which files, which format, and one reading of each, row by row or in columns."""
