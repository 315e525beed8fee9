"""What has to be true before the distributions are published: `python -m scripts.release TAG REPOSITORY`.

Exits 1 and names each thing that is not; `make dist` runs it before it builds.
"""

import re
import sys
import tomllib
from pathlib import Path

from auditor import version

ROOT = Path(__file__).parents[1]


def missing(tag: str, repository: str, *, root: Path = ROOT) -> list[str]:
    """Return what still has to be done, one sentence each."""
    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = next(iter(re.findall(r"^## (.+)$", changelog, re.MULTILINE)), "nothing")
    wanted = version.__version__
    faults = {
        f"auditor/version.py: the version is {wanted}, the tag is {tag}; they have to agree": tag != f"v{wanted}",
        "auditor/version.py: set PUBLISHED = True, so that messages and pages install from the index": (
            not version.PUBLISHED
        ),
        f"CHANGELOG.md: its newest section is {heading!r}; name it '{wanted} (YYYY-MM-DD)'": (
            re.fullmatch(rf"{re.escape(wanted)} \(\d{{4}}-\d\d-\d\d\)", heading) is None
        ),
        f"pyproject.toml: the repository is {urls['Repository']}, this is {repository}; correct [project.urls]": (
            urls["Repository"] != repository
        ),
    }
    return [sentence for sentence, fault in faults.items() if fault]


def main() -> int:
    """Print what is missing."""
    found = missing(*sys.argv[1:3])
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
