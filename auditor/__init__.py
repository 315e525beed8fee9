"""Render Auditor: what every render of a metered image API costs, and which of them were wasted.

Logs become usage events, events facts, facts findings, and findings reports; the package that does each step, and which
package may import which, stand in docs/architecture.md, generated from the import contracts in pyproject.toml.
`exporters`, beside this package, reads the ledger and shows it to Prometheus; nothing here imports it.

The names of the client are here for its users, and but for the errors imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditor.model.errors import (
    AuditorError,
    AuthenticationError,
    BudgetExceededError,
    CircuitOpenError,
    ConfigError,
    DeadlineError,
    InputError,
    InvalidRequestError,
    MissingExtraError,
    NoPlanError,
    NotFoundError,
    NotSentError,
    ProviderError,
    QuotaExceededError,
    RateExceededError,
    RefusedError,
    RenderError,
    ThrottledError,
    TooLargeError,
    UncertainError,
)
from auditor.version import __version__

if TYPE_CHECKING:
    from auditor.caches.files import Files
    from auditor.caches.memory import Memory
    from auditor.caches.redis import Redis
    from auditor.client.attach import meter, unmeter
    from auditor.client.batch import Item
    from auditor.client.budget import Budget
    from auditor.client.call_rules import CallRule, Rule, path_rule
    from auditor.client.connect import connect
    from auditor.client.function import metered
    from auditor.client.levels import Tiered
    from auditor.client.metering import Metering
    from auditor.client.renderer import Renderer
    from auditor.client.request import Rendered
    from auditor.client.scrape import child_exit
    from auditor.client.sinks import Spool
    from auditor.client.transports import MeteredTransport
    from auditor.notebook import Report, audit, plan, reconcile, simulate
    from auditor.sandbox.server import Sandbox


_PUBLIC = {
    "Budget": "client.budget", "Files": "caches.files", "Item": "client.batch", "Memory": "caches.memory",
    "MeteredTransport": "client.transports", "Metering": "client.metering", "Redis": "caches.redis",
    "CallRule": "client.call_rules", "Rendered": "client.request", "Report": "notebook", "audit": "notebook",
    "plan": "notebook", "reconcile": "notebook", "simulate": "notebook",
    "Renderer": "client.renderer", "Rule": "client.call_rules", "Sandbox": "sandbox.server", "Spool": "client.sinks",
    "Tiered": "client.levels", "child_exit": "client.scrape", "connect": "client.connect", "meter": "client.attach",
    "metered": "client.function", "path_rule": "client.call_rules", "unmeter": "client.attach",
}  # fmt: skip

__all__ = [
    "AuditorError", "AuthenticationError", "Budget", "BudgetExceededError", "CallRule", "CircuitOpenError",
    "ConfigError", "DeadlineError", "Files", "InputError", "InvalidRequestError", "Item", "Memory", "MeteredTransport",
    "Metering", "MissingExtraError",
    "NoPlanError", "NotFoundError", "NotSentError", "ProviderError", "QuotaExceededError", "RateExceededError", "Redis",
    "RefusedError", "RenderError", "Rendered", "Renderer", "Report", "Rule", "Sandbox", "Spool", "ThrottledError",
    "Tiered", "TooLargeError", "UncertainError", "__version__", "audit", "child_exit", "connect",
    "meter", "metered", "path_rule", "plan", "reconcile", "simulate", "unmeter",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'auditor' has no attribute {name!r}")
    try:
        found = getattr(import_module(f"auditor.{_PUBLIC[name]}"), name)
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error, f"auditor.{name}") from None
    globals()[name] = found  # else `auditor.connect` is the module of that name from the second time on
    return found
