"""Fixes to copy: the code or configuration that mends a finding, one module for each kind of text."""
