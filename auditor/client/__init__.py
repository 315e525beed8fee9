"""The thin instrumented client: fewer paid calls, and one usage event and metrics of every request."""
