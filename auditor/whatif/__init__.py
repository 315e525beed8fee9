"""What if: the demand of the past under other caches, plans and providers."""
