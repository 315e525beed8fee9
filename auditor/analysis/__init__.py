"""The stages of an audit, in order: load, identities, units, walk, days, bills."""
