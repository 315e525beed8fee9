"""Which names were forgotten lately: a picture that was asked for before that is not kept."""

_MOST = 4096


class Purges:
    """The newest *most* names, each with its turn, so that years of deletes take no more room than a busy hour."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._turns: dict[str, int] = {}
        self._dropped = 0
        """The newest turn that is not remembered any more."""
        self.turn = 0
        """Of the newest purge."""

    def __len__(self) -> int:
        return len(self._turns)

    def note(self, name: str) -> None:
        """A template was purged, or a key deleted."""
        self.turn += 1
        self._turns.pop(name, None)
        self._turns[name] = self.turn
        if len(self._turns) > self._most:
            self._dropped = self._turns.pop(next(iter(self._turns)))

    def since(self, turn: int, *names: str) -> bool:
        """Whether any of these was forgotten after *turn*; where that is too long ago to know, it may have been."""
        return turn < self._dropped or any(self._turns.get(name, 0) > turn for name in names)
