"""What can go wrong, as one tree.

    AuditorError
    ├── ConfigError       auditor.toml or an option is wrong: exit 2
    ├── InputError        an input cannot be read at all: exit 3
    └── MissingExtraError a command needs packages that the base install leaves out: exit 2

Each message is a sentence that names what is wrong, where, and what to do about it.
"""


class AuditorError(Exception):
    """Base of every error that is meant for the user; printed without a traceback."""

    exit_code = 2


class ConfigError(AuditorError):
    """The configuration names something that does not exist or cannot be."""


class InputError(AuditorError):
    """A path cannot be opened or holds nothing that can be audited."""

    exit_code = 3


class MissingExtraError(AuditorError):
    """An optional dependency is absent."""

    def __init__(self, command: str, extra: str, module: str) -> None:
        super().__init__(
            f"`{command}` needs the package {module}, which the base install leaves out: "
            f"pip install 'render-auditor[{extra}]'"
        )
