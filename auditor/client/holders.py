"""Objects of the application some of whose attributes are replaced, and how they get back what they had."""

import weakref
from collections.abc import Callable
from typing import Any

_BEFORE = "_auditor_before"
"""Where an object keeps what it had of its own, so that nothing else holds it."""


class Holder:
    """An object of the application, some of whose attributes are replaced; sessions may share it."""

    def __init__(self, ref: weakref.ref[Any], users: "weakref.WeakSet[Any]") -> None:
        self.ref, self.users = ref, users
        self.ours: dict[str, weakref.ref[Any]] = {}
        """What these attributes are, unless another tool has replaced them since."""
        self.attached: Callable[[], Any] = lambda: None
        """What is attached to a session, as long as anything of it leads there."""
        self.reached = False
        """Of an adapter: whether its pools have been seen at work."""

    def replace(self, name: str, method: Callable[..., Any]) -> None:
        """Put a method in the place of an attribute, unless that is done already."""
        alive = self.ref()
        if alive is not None and name not in self.ours:
            own = vars(alive).setdefault(_BEFORE, {})
            if name in vars(alive):
                own[name] = vars(alive)[name]
            self.ours[name] = weakref.ref(method)
            setattr(alive, name, method)

    def state(self) -> Any:
        """What a copy of the object, which is not metered, takes over."""
        alive = self.ref()
        kind: Any = type(alive)
        state = kind.__getstate__(alive)
        if not isinstance(state, dict):
            return state
        before = {name: value for name, value in vars(alive)[_BEFORE].items() if name in state}
        return {name: value for name, value in state.items() if not self._is_ours(name, value)} | before

    def undo(self) -> None:
        """The object has its own attributes again, but for those that another tool has replaced."""
        alive = self.ref()
        if alive is not None:
            before = vars(alive).pop(_BEFORE, {})
            for name in self.ours:
                if self._is_ours(name, vars(alive).get(name)):
                    del vars(alive)[name]
                    if name in before:
                        setattr(alive, name, before[name])

    def _is_ours(self, name: str, value: Any) -> bool:
        return name == _BEFORE or (name in self.ours and self.ours[name]() is value)


HOLDERS: dict[int, Holder] = {}
"""By `id`, each as long as it lives: pools come and go."""


def attached_to(session: Any) -> Any:
    """What is attached to a session: a `MeteredSession`, or None."""
    holder = HOLDERS.get(id(session))
    return None if holder is None else holder.attached()
