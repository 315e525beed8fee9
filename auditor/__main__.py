"""The command `auditor`, and ``python -m auditor``: says what to install where the command line is not there."""

import sys

from auditor.model.errors import MissingExtraError


def main() -> None:
    """Run the command line, which is an extra: the base install is for web applications."""
    try:
        from auditor.cli import main as run
    except ModuleNotFoundError as error:
        missing = MissingExtraError.of(error, "auditor", sys.argv[1:])
        sys.stderr.write(f"auditor: {missing}\n")
        sys.exit(missing.exit_code)
    run()


if __name__ == "__main__":
    main()
