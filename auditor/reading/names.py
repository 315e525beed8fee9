"""Names of fields in the one spelling in which they are compared."""

import re


def column_name(name: str) -> str:
    """`request_url` of `Request URL`, `requestUrl` and `$request_url`."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name.strip().replace("µ", "u").replace("μ", "u"))
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
