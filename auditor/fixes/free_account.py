"""TOML: an environment whose client calls a test account, or the sandbox, and not the account that is paid for."""

from auditor.analysis.accounts import Payer
from auditor.model.findings import Snippet, SnippetKind
from auditor.model.settings import Settings
from auditor.model.toml import key, quoted
from auditor.registry import PROVIDERS

_CLIENT = """\
[client.{environment}]  # used by auditor.connect({name!r})
provider = {provider}
account = {account}
api_key_env = "TEST_API_KEY"  # the environment variable with the key of that account
"""
_SANDBOX = """\
base_url = "http://127.0.0.1:19780/v1"  # `auditor sandbox`; leave it out for a free account
"""


def free_account(settings: Settings, payer: Payer, environment: str) -> Snippet | None:
    """The client of *environment*; None where the client makes no calls to the provider."""
    provider = PROVIDERS.get(payer.provider)
    if provider is None or provider.api is None:
        return None
    free = (
        name
        for name, each in settings.accounts.items()
        if each.provider == payer.provider and each.plan is not None and each.plan == settings.free_plan(each.provider)
    )
    account = next(free, None)
    text = _CLIENT.format(
        environment=key(environment),
        name=environment,
        provider=quoted(payer.provider),
        account=quoted(account or "sandbox"),
    )
    return Snippet(SnippetKind.TOML, text if account else text + _SANDBOX)
