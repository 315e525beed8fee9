"""Replay: walking the demand of each key in time, as a cache would have met it (semantics section 3)."""
