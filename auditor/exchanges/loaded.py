"""Images that a page loaded and no account is known to have rendered: no events, but downloads that rules look at."""

from auditor.exchanges.addresses import split
from auditor.exchanges.exchange import Exchange
from auditor.exchanges.mapped import digest_of
from auditor.model.events import MAX_BYTES, NOBODY, Outcome, UsageEvent
from auditor.model.media import media_type_of
from auditor.model.provider import FORMAT_OF

_WHOLE = 200


def loaded(exchange: Exchange, identity: str) -> UsageEvent | None:
    """The record of such an image, of `NOBODY` and its host; None for anything else, and for other logs."""
    browsed = exchange.page is not None or exchange.lifetime_s is not None
    if not browsed or exchange.method != "GET" or exchange.status != _WHOLE or exchange.bytes is None:
        return None
    media_type = media_type_of(exchange.media_type)
    host, path, query = split(exchange.host, exchange.target)
    if not media_type.startswith("image/") or not host or not 0 <= exchange.bytes <= MAX_BYTES:
        return None
    return UsageEvent(
        id=identity,
        ts_us=exchange.ts_us,
        outcome=Outcome.HIT,
        provider=NOBODY,
        account="",
        environment="",
        template=host,
        key=digest_of([host, path, query]),
        format=FORMAT_OF.get(media_type),
        width=exchange.width,
        height=exchange.height,
        bytes=exchange.bytes,
        page=exchange.page,
        lifetime_s=exchange.lifetime_s,
        shown_width=exchange.shown_width,
    )
