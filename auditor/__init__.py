"""Render Auditor: what every render of a metered image API costs, and which of them were needless.

The map of layers, top imports down, siblings on one line do not import each other::

    cli                                   commands, exit codes, stdout and stderr
    commands                              one file a command
    pipeline | connect                    the only file that knows the order of an audit; a renderer by configuration
    config | periodic | baseline          auditor.toml -> frozen Settings; one report a cycle, kept; accepted findings
    intake | progress                     one input -> one Parquet file of records; a bar on stderr
    intake_cache                          the files of big inputs, kept for their user alone
    ledger                                the durable home of events, with exact sums
    whatif | formats | audits | reports | sources | client | sandbox | inspect | delivery
    exchanges | billing | daily           HTTP exchanges of foreign logs -> events; cycles and bills; days
    replayed
    facts | identity | repeats | oddtime  what is counted; one record of an id; ids that are none; odd times
    engine | replay | waste               sorted streams, the walk, one cause for each wasted credit
    caches | metrics                      where pictures wait; every metric once
    settings | providers                  dated and sourced plans, and how to speak to each API
    endings                               how every command ends: one sentence and an exit code
    findings | plans | fingerprint | numbers | indented | terminal | measured | network
    memory                                how much of it reading an input may take
    events | allowance | media
    registry                              PROVIDERS FORMATS CACHES ENGINES RULES REPORTS, the only register
    errors

`exporters`, beside this package, reads the ledger and shows it to Prometheus; nothing here imports it.

The names of the client are here for its users, and imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditor.version import __version__

if TYPE_CHECKING:
    from auditor.caches.files import Files
    from auditor.caches.memory import Memory
    from auditor.caches.redis import Redis
    from auditor.client.attach import meter, unmeter
    from auditor.client.batch import Item
    from auditor.client.budget import Budget
    from auditor.client.connect import connect
    from auditor.client.function import metered
    from auditor.client.metering import Metering, Rule, path_rule
    from auditor.client.renderer import Renderer
    from auditor.client.request import Rendered
    from auditor.client.scrape import child_exit
    from auditor.client.sinks import Spool
    from auditor.client.tiered import Tiered
    from auditor.client.transports import MeteredTransport
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
    from auditor.sandbox.server import Sandbox


_PUBLIC = {
    "Budget": "client.budget", "Files": "caches.files", "Item": "client.batch", "Memory": "caches.memory",
    "MeteredTransport": "client.transports", "Metering": "client.metering", "Redis": "caches.redis",
    "Rendered": "client.request",
    "Renderer": "client.renderer", "Rule": "client.metering", "Sandbox": "sandbox.server", "Spool": "client.sinks",
    "Tiered": "client.tiered", "child_exit": "client.scrape", "connect": "client.connect", "meter": "client.attach",
    "metered": "client.function", "path_rule": "client.metering", "unmeter": "client.attach",
} | dict.fromkeys(
    (
        "AuditorError", "AuthenticationError", "BudgetExceededError", "CircuitOpenError", "ConfigError",
        "DeadlineError", "InputError", "InvalidRequestError", "MissingExtraError", "NoPlanError", "NotFoundError",
        "NotSentError", "ProviderError", "QuotaExceededError", "RateExceededError", "RefusedError",
        "RenderError", "ThrottledError", "TooLargeError", "UncertainError",
    ),
    "model.errors",
)  # fmt: skip

__all__ = [
    "AuditorError", "AuthenticationError", "Budget", "BudgetExceededError", "CircuitOpenError", "ConfigError",
    "DeadlineError", "Files", "InputError", "InvalidRequestError", "Item", "Memory", "MeteredTransport",
    "Metering", "MissingExtraError",
    "NoPlanError", "NotFoundError", "NotSentError", "ProviderError", "QuotaExceededError", "RateExceededError", "Redis",
    "RefusedError", "RenderError", "Rendered", "Renderer", "Rule", "Sandbox", "Spool", "ThrottledError",
    "Tiered", "TooLargeError", "UncertainError", "__version__", "child_exit", "connect", "meter",
    "metered", "path_rule", "unmeter",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'auditor' has no attribute {name!r}")
    try:
        found = getattr(import_module(f"auditor.{_PUBLIC[name]}"), name)
    except ModuleNotFoundError as error:
        from auditor.model.errors import MissingExtraError

        raise MissingExtraError.of(error, f"auditor.{name}") from None
    globals()[name] = found  # else `auditor.connect` is the module of that name from the second time on
    return found
