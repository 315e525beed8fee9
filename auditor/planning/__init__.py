"""Past usage and prices -> plans and reconciliation."""
