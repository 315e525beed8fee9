"""Demand and prices -> plans, estimates and reconciliation."""
