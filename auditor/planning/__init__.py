"""Demand and prices -> plans and reconciliation."""
