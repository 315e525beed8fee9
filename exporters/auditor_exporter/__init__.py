"""Ways out to Prometheus. They read the ledger and know nothing of commands and audits."""
