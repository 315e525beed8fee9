"""A line as a `log_format` describes it, with an ordinary value of each variable: it shows what else would read it."""

import re

from auditor.exchanges.cache_field import names_cache
from auditor.reading.log_template import LogTemplate

_VALUES = (
    (r"time_local", "01/Sep/2026:06:00:05 +0000"),
    (r"time_iso8601", "2026-09-01T06:00:05+00:00"),
    (r"msec", "1788242405.250"),
    (r"request", "GET /a.png?v=1 HTTP/2.0"),
    (r"(?:request_)?uri", "/a.png"),
    (r"request_method", "GET"),
    (r"(?:upstream_)?status", "200"),
    (r"\w*_time", "0.250"),
    (r"\w*bytes\w*", "18211"),
    (r"\w+_length", "512"),
    (r"(?:remote|realip_remote|server)_addr", "203.0.113.7"),
    (r"upstream_addr", "192.0.2.7:8080"),
    (r"\w+_port|pid|connection\w*", "8080"),
    (r"(?:http_|proxy_)?host|server_name|hostname", "shop.example"),
    (r"http_user_agent", "Mozilla/5.0 (X11; Linux x86_64)"),
    (r"http_referer", "https://shop.example/"),
    (r"server_protocol", "HTTP/2.0"),
    (r"scheme", "https"),
    (r"\w+_content_type", "image/png"),
)


def example(template: LogTemplate) -> bytes:
    """The line."""
    values = [*map(_value, template.names), ""]
    return b"".join(literal + value.encode() for literal, value in zip(template.literals, values, strict=True))


def _value(name: str) -> str:
    if names_cache(name):
        return "HIT"
    return next((value for pattern, value in _VALUES if re.fullmatch(pattern, name)), "-")
