"""Periodic: one report a billing cycle, compared with the one before, kept in a folder with an index page."""
