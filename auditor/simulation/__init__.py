"""Past requests, replayed under other cache settings."""
