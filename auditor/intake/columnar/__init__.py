"""Big logs, many lines at once: what the row-by-row reader gives, in columns of Arrow."""
