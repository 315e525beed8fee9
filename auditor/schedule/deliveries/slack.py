"""slack: the summary as a message, for Slack and others that take its webhooks (Mattermost, Rocket.Chat, Discord).

Text from logs mentions no user, links nowhere and changes no formatting: markup is switched off where the receiver
knows how, `&`, `<` and `>` are escaped, and what others would read as markup is broken by a zero-width space.
"""

import re
from typing import Any

from auditor.schedule.deliveries.webhook import Webhook
from auditor.schedule.delivery import Message
from auditor.system.terminal import plain

MOST = 3000
"""Characters; Slack cuts texts at 40,000 and shows the first few thousand."""
_BREAK = "\u200b"
# Mentions, emoji and addresses, emphasis, code, links, channels, headings; an underscore only at the edge of a word.
_MARKUP = re.compile(r"[@*~`\[#|]|:(?=\S)|(?<=\w\.)(?=[^\W\d])|(?<![^\W_])_|_(?![^\W_])|^(?=[->+\d])", re.MULTILINE)
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Slack(Webhook):
    """`kind = "slack"`."""

    def body(self, message: Message) -> dict[str, Any]:
        """`text` without markup, mentions or previews."""
        text = "\n".join(words(line) for line in (message.subject, *message.lines))
        if len(text) > MOST:
            text = text[:MOST].rpartition("\n")[0] + "\n…"
        return {"text": text, "mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False,
                "unfurl_media": False}  # fmt: skip


def words(text: str) -> str:
    """*text* as nothing but words."""
    return _MARKUP.sub(lambda match: match[0] + _BREAK, plain(text)).translate(_ESCAPES)
