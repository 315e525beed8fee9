"""How large an image is shown where no limit is configured: placements with one published size each, in CSS px."""

from decimal import Decimal

from auditor.model.settings import Limit, Settings


def _limit(width: int, height: int, source: str) -> Limit:
    return Limit(width=Decimal(width), height=Decimal(height), source=source)


PLACEMENTS = {
    "og_image": _limit(1200, 630, "developers.facebook.com/docs/sharing/webmasters/images: 1200 x 630 is recommended"),
    "twitter_summary_large": _limit(
        1200, 600, "developer.x.com, cards: summary_large_image is 2:1, shown at most 1200 wide"
    ),
    "twitter_summary": _limit(144, 144, "developer.x.com, cards: summary images are square, from 144 x 144"),
    "linkedin_share": _limit(1200, 627, "linkedin.com/help: link images of 1200 x 627"),
    "instagram_post": _limit(1080, 1080, "help.instagram.com: photos are kept up to a width of 1080"),
    "instagram_story": _limit(1080, 1920, "help.instagram.com: stories are 1080 wide at 9:16"),
    "pinterest_pin": _limit(1000, 1500, "help.pinterest.com: pins at 2:3, 1000 x 1500"),
    "youtube_thumbnail": _limit(1280, 720, "support.google.com/youtube: thumbnails of 1280 x 720"),
    "email_header": _limit(600, 300, "mailchimp.com/help: templates are 600 wide; header at 2:1"),
}

COMPATIBLE = frozenset({"jpeg", "png"})
"""Formats for the placements of this table: link previews, mail and uploads take others only here and there."""


def limit_for(settings: Settings, template: str | None, placement: str | None) -> Limit | None:
    """The limit by template, else by configured placement, else by built-in placement."""
    return (
        settings.template_limits.get(template or "")
        or settings.placement_limits.get(placement or "")
        or PLACEMENTS.get(placement or "")
    )
