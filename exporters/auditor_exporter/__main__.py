"""The command `auditor-exporter`, and ``python -m auditor_exporter``: says what to install where one is missing."""

import sys

from auditor.model.errors import MissingExtraError


def main() -> None:
    """Run the exporter, whose packages are an extra."""
    try:
        from auditor_exporter.main import main as run

        run()
    except ModuleNotFoundError as error:
        missing = MissingExtraError.of(error, "auditor-exporter", sys.argv[1:])
        sys.stderr.write(f"auditor-exporter: {missing}\n")
        sys.exit(missing.exit_code)


if __name__ == "__main__":
    main()
