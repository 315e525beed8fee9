"""secret-in-log: an API key or token stands in a log.

What it does
    Looks in every line of the input for parameters and fields whose name says that they hold a secret (`dma-api-key`,
    `api_key`, `token`, `authorization`, `password`, …), for bearer and basic credentials, and for passwords in URLs.
    Values are masked before anything else sees them. One that the logger masked (`***`, `[FILTERED]`) is no secret.

Why it matters
    Anyone who reads the log can render on your credits.

Example
    access.log   dma-api-key   312 lines   ab**** (24 characters)

How to fix
    Change the key, send it in the header instead of the address, and strip it from what is logged.

Options

"""

from collections.abc import Iterable

from auditor.analysis.case import Case, Rule
from auditor.model.findings import Confidence, Finding, Severity
from auditor.model.words import plural


class SecretInLog(Rule):
    """One finding for each file and field or parameter."""

    id = "secret-in-log"
    summary = "an API key or token stands in a log"

    def findings(self, case: Case) -> Iterable[Finding]:
        """Always of high severity."""
        for secret in case.secrets:
            yield Finding(
                rule=self.id,
                severity=Severity.HIGH,
                confidence=Confidence.HIGH,
                subject={"file": secret.path, "field": secret.name},
                message=f"`{secret.name}` holds what looks like a secret on {plural(secret.lines, 'line')}",
                advice="Change the key and keep it out of logs: send it in a header, strip it before logging",
                evidence={"lines": secret.lines, "masked": secret.masked},
            )
