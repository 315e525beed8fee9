"""The ledger: the durable home of events, with totals that are kept in the same transaction as the rows."""
