"""Rules and reports of other packages."""
