"""The present: the system's clock, or the moment at which a report is made again."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime

from auditor.model.errors import ConfigError

_LATEST = int(datetime(9998, 1, 1, tzinfo=UTC).timestamp())
"""Whatever is reckoned from now, such as the end of a cycle, is still a date."""


def present(now: Callable[[], datetime]) -> datetime:
    """Now, or SOURCE_DATE_EPOCH where the same input has to give the same report.

    Raises `ConfigError` if that is not a time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return now().astimezone(UTC)
    if not re.fullmatch("[0-9]{1,12}", epoch) or int(epoch) > _LATEST:
        raise ConfigError(
            f"SOURCE_DATE_EPOCH is not a whole number from 0 to {_LATEST}; set the seconds since 1970, or unset it"
        )
    return datetime.fromtimestamp(int(epoch), UTC)
