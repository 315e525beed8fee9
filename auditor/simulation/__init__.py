"""The demand of the past under other caches."""
