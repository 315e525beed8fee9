"""Python: the client in front of the provider, whose cache serves repeats and lets simultaneous calls share one."""

from collections.abc import Collection, Mapping

from auditor.analysis.accounts import Unit
from auditor.model.findings import Snippet, SnippetKind
from auditor.registry import PROVIDERS

_RENDERER = """\
from auditor import Renderer

renderer = Renderer(
    {provider!r},
    account={account!r},
    environment={environment!r},
    cache="redis://127.0.0.1:6379/0",  # for all processes: simultaneous calls share one render
    ttl={seconds},
)
"""
_WITHOUT = """
LEFT_OUT = {{
{fields}
}}


def without(overrides, fields, path=""):
    return {{
        name: without(value, fields, path + name + ".") if isinstance(value, dict) else value
        for name, value in overrides.items()
        if path + name not in fields
    }}


def render(template, overrides, **options):
    return renderer.render(template, without(overrides, LEFT_OUT.get(template, ())), **options)
"""


def cached(unit: Unit, seconds: int, left_out: Mapping[str, Collection[str]]) -> Snippet | None:
    """A renderer for the account and environment of a unit that keeps images so long.

    And the call that leaves fields out, by template. None where the client makes no calls to the provider.
    """
    provider = PROVIDERS.get(unit.provider)
    if provider is None or provider.api is None:
        return None
    text = _RENDERER.format(provider=unit.provider, account=unit.account, environment=unit.environment, seconds=seconds)
    if left_out:
        fields = (f"    {template!r}: {sorted(names)!r}," for template, names in sorted(left_out.items()))
        text += _WITHOUT.format(fields="\n".join(fields))
    return Snippet(SnippetKind.PYTHON, text)
