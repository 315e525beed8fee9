"""What can go wrong, as one tree.

    AuditorError
    ├── ConfigError              auditor.toml or an option is wrong: exit 2
    ├── InputError               an input cannot be read at all: exit 3
    │   └── TooLargeError        it is far larger than the file that holds it
    ├── MissingExtraError        a command needs packages that the base install leaves out: exit 2
    └── RenderError              a request gave no image: exit 3
        ├── NoPlanError          the workspace has no active plan
        ├── QuotaExceededError   the plan's credits are used up
        ├── ThrottledError       too many calls in a short time; tried again by itself
        ├── AuthenticationError  the API key is missing or unknown
        ├── NotFoundError        the template does not exist
        ├── InvalidRequestError  the provider, or the client before it, does not accept the request
        ├── ProviderError        the provider failed (5xx); tried again by itself
        ├── NotSentError         no connection came about, so nothing was billed; tried again by itself
        ├── UncertainError       the call left and no answer came: it may have been billed
        ├── DeadlineError        the caller's own timeout passed; the render goes on and is stored
        └── RefusedError         a guard forbade the call; nothing was billed
            ├── BudgetExceededError
            ├── RateExceededError
            └── CircuitOpenError      the plan is used up, and it is not yet time to ask again

Each message is a sentence that names what is wrong, where, and what to do about it.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from auditor.version import install_hint


class AuditorError(Exception):
    """Base of every error that is meant for the user; printed without a traceback."""

    exit_code = 2


class ConfigError(AuditorError):
    """The configuration names something that does not exist or cannot be."""


class InputError(AuditorError):
    """A path cannot be opened or holds nothing that can be audited."""

    exit_code = 3


class TooLargeError(InputError, OSError):
    """An input that unpacks to far more than a log of its size does."""

    @property
    def strerror(self) -> str:  # type: ignore[override]
        """For those who tell of any file that the system refuses."""
        return str(self)


class MissingExtraError(AuditorError, ImportError):
    """An optional dependency is absent. It is an `ImportError` too, for those who ask whether they can import."""

    def __init__(self, command: str, extra: str, module: str) -> None:
        super().__init__(command, extra, module)

    def __str__(self) -> str:
        command, extra, module = self.args
        return f"`{command}` needs the package {module}, which the base install leaves out: run {install_hint(extra)}"

    @classmethod
    def of(cls, error: ModuleNotFoundError, program: str, arguments: Sequence[str] = ()) -> "MissingExtraError":
        """The error to show instead of *error*, which is raised as it is where a module of our own is absent."""
        module = (error.name or "").partition(".")[0]
        if module in ("auditor", "auditor_exporter"):
            raise error
        command = next((word for word in arguments[:1] if not word.startswith("-")), "")
        other = "cli" if program == "auditor" and not command else "audit"
        extra = _EXTRAS.get(program) or _EXTRAS.get(module) or _EXTRAS.get(command) or other
        return cls(f"{program} {command}".strip(), extra, module)


_EXTRAS = {
    "auditor-exporter": "exporter", "auditor.Sandbox": "sandbox", "sandbox": "sandbox", "prerender": "sandbox",
    "inspect": "inspect", "jinja2": "reports", "vl_convert": "reports",
}  # fmt: skip
"""Of programs, public names, modules and commands that need another extra; each brings the command line."""


class RenderError(AuditorError):
    """A request that gave no image.

    *what* says what happened. *status* is the HTTP status of the answer, None where there was none. *credits* are
    those that were billed, None where that is unknown. *retry_after* is in seconds, as the provider asked for it.
    """

    exit_code = 3
    word = "other"
    """The event's `error`."""
    fix = ""
    retry = False
    """Whether another try may help and costs nothing if it does not."""

    def __init__(
        self,
        what: str,
        *,
        status: int | None = None,
        credits: Decimal | None = Decimal(0),
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__()
        self.what = what
        self.status = status
        self.credits = credits
        self.retry_after = retry_after
        self.request_id = request_id

    def __str__(self) -> str:
        where = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.what}{where}. {self.fix}".strip()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def without(self, words: Iterable[str]) -> "RenderError":
        """Itself, with every one of *words* masked: what a provider says may repeat a key, or what it was sent."""
        for word in sorted(words, key=len, reverse=True):
            self.what = self.what.replace(word, "****")
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles carry the same facts."""
        return _remake, (type(self), dict(self.__dict__))


def _remake(kind: type[RenderError], facts: dict[str, object]) -> RenderError:
    error = kind.__new__(kind)
    error.__dict__.update(facts)
    return error


class NoPlanError(RenderError):
    """The workspace has no active plan."""

    word = "no_plan"
    fix = "Choose a plan in the provider's settings; calling again does not help"


class QuotaExceededError(RenderError):
    """The credits of the plan are used up, until *resets_at* (seconds since 1970) where the provider says so."""

    word = "quota"
    fix = "Wait for the next billing cycle or take a larger plan; `auditor audit` shows which renders were wasted"

    def __init__(self, what: str, *, resets_at: float | None = None, **facts: Any) -> None:
        super().__init__(what, **facts)
        self.resets_at = resets_at


class ThrottledError(RenderError):
    """Too many calls in a short time."""

    word = "throttled"
    fix = "Lower `per_second` or the number of callers"
    retry = True


class AuthenticationError(RenderError):
    """The API key is missing or unknown."""

    word = "auth"
    fix = "Check the API key that this environment uses"


class NotFoundError(RenderError):
    """The template does not exist."""

    word = "not_found"
    fix = "Check the template's id, and that it belongs to the account of this API key"


class InvalidRequestError(RenderError, ValueError):
    """The request is not one that the provider accepts."""

    word = "invalid"
    fix = "Change the request; calling again with the same one does not help"


class ProviderError(RenderError):
    """The provider failed."""

    word = "server"
    fix = "The provider has trouble; it was tried again within the limits of `retries`"
    retry = True


class NotSentError(RenderError):
    """No connection came about, so nothing was billed."""

    word = "connection"
    fix = "Check the address, DNS and the network; nothing was billed"
    retry = True


class UncertainError(RenderError):
    """The call left, and no answer came."""

    word = "timeout"
    fix = "It may have been billed, so it was not tried again; `retry_uncertain=True` allows that"

    def __init__(self, what: str, *, word: str = "timeout", status: int | None = None) -> None:
        super().__init__(what, status=status, credits=None)
        self.word = word


class DeadlineError(RenderError, TimeoutError):
    """The caller's own timeout passed while the render goes on."""

    word = "timeout"
    fix = "The render goes on and will be in the cache; ask again later or allow more time"


class RefusedError(RenderError):
    """A guard forbade the call."""


class BudgetExceededError(RefusedError):
    """The budget of this environment is used up."""

    fix = "Raise the budget, wait for its next period, or send this environment to the sandbox"


class RateExceededError(RefusedError):
    """The call would have to wait longer for its turn than is allowed."""

    fix = "Raise `per_second` or allow a longer wait"


class CircuitOpenError(RefusedError):
    """The plan is used up, as the provider said a moment ago: asking again would only take time."""

    fix = "Wait until then or take a larger plan; one call in `probe_every` seconds checks whether it works again"
