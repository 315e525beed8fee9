"""Feed: growing files, each line once, into a ledger of this machine or over the network into one elsewhere."""
