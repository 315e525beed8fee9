"""What several reports share: words and charts."""
