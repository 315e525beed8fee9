"""The version, in one place: what is built, and what every document and metric says of itself."""

__version__ = "0.1.0"
