"""A rule and a report of a package of its own."""
