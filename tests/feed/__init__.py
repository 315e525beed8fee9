"""Feed: files that are followed and sent."""
