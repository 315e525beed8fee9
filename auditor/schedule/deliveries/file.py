"""file: one report at a path, with `{cycle}` in it replaced by the cycle's name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from auditor.schedule.delivery import DeliveryError, Message


class File:
    """`kind = "file"`."""

    FIELDS: ClassVar = {"path": "text"}
    REQUIRED: ClassVar = frozenset({"path"})
    MOST_REPORTS: ClassVar = 1

    def __init__(self, settings: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        del environment
        self._path = str(settings["path"])
        self.target = self._path

    def send(self, message: Message) -> None:
        """Written aside and renamed; the folder is made."""
        path = Path(self._path.replace("{cycle}", message.name))
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(message.attachments[0].content)
            part.replace(path)
        except OSError as error:
            raise DeliveryError(f"{path}: cannot be written ({error.strerror})", again=False) from None
