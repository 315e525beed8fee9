"""One report a billing cycle, compared with the one before, kept in a folder and delivered once to each place."""
