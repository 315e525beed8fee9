"""The deployment files as far as they can be checked without the machines that they are for."""

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.services import ROOT, need

FOLDER = ROOT / "docs" / "deployment"
BIN = "/opt/render-auditor/bin"


def units() -> list[Path]:
    """systemd's."""
    return sorted((FOLDER / "systemd").iterdir())


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """(where, words) of each command that a file starts."""
    for unit in units():
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(unit.read_text())
        if parser.has_option("Service", "ExecStart"):
            yield unit.name, shlex.split(parser["Service"]["ExecStart"].replace(f"{BIN}/", ""))
    for path in (FOLDER / "cron" / "auditor-report", *(FOLDER / "ci").iterdir()):
        (line,) = re.findall(r"(auditor report --?.*|auditor report usage.*)$", path.read_text(), re.MULTILINE)
        yield path.name, shlex.split(line.replace(">/dev/null", ""))
    dockerfile = (FOLDER / "Dockerfile").read_text()
    entry, arguments = (
        json.loads(re.search(rf"^{word} (\[.*\])$", dockerfile, re.MULTILINE)[1]) for word in ("ENTRYPOINT", "CMD")
    )  # type: ignore[index]
    yield "Dockerfile", entry + arguments
    yield "compose.yaml", entry + compose()["services"]["exporter"]["command"]
    for document in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()):
        if document["kind"] == "Deployment":
            for container in document["spec"]["template"]["spec"]["containers"]:
                yield "kubernetes.yaml", entry + container["args"]


def compose() -> dict[str, Any]:
    """The composition."""
    return yaml.safe_load((FOLDER / "compose" / "compose.yaml").read_text())


@pytest.mark.parametrize(
    ("where", "words"), list(command_lines()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_has_the_options_that_it_is_given(where: str, words: list[str]) -> None:
    """As its own --help has them; and none is left out that a server on another address needs."""
    program, command, *arguments = words
    module = {"auditor": "auditor", "auditor-exporter": "auditor_exporter.main"}[program]
    done = subprocess.run(
        [sys.executable, "-m", module, command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    known = set(re.findall(r"(?<![\w-])--[\w.-]+", done.stdout))
    given = {word for word in arguments if word.startswith("--")}
    assert given and given <= known, where
    listen = arguments[arguments.index("--listen") + 1] if "--listen" in arguments else "127.0.0.1"
    assert listen.startswith("127.") or given & {"--insecure", "--web.config.file"}


def test_units(tmp_path: Path) -> None:
    """systemd reads them without a word."""
    verify = need("systemd", "systemd-analyze")
    for unit in units():
        (tmp_path / unit.name).write_text(
            unit.read_text()
            .replace(BIN, "/bin")
            .replace("/bin/auditor-exporter", "/bin/true")
            .replace("/bin/auditor ", "/bin/true ")
        )
    done = subprocess.run(
        [verify, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in units())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_composition(tmp_path: Path) -> None:
    """docker-compose reads it, and everything of the clone that it names is there."""
    program = need("docker-compose", "docker-compose")
    file = FOLDER / "compose" / "compose.yaml"
    done = subprocess.run([program, "-f", file, "config", "--quiet"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for service in compose()["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose()["volumes"] or (file.parent / source).exists(), volume
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_what_the_image_copies_is_there() -> None:
    """And is all that the package needs."""
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
        for name in line.split()
    }
    assert all((ROOT / name).exists() for name in copied)
    assert {"auditor", "exporters", "pyproject.toml", "README.md", "LICENSE", "requirements/all.txt"} <= copied


def test_one_group_reads_the_events_everywhere() -> None:
    """What the docs tell applications to name is the group that the exporter runs as; so a reader reads."""
    (gid,) = re.findall(r"groupadd --system --gid (\d+) render-auditor", (FOLDER / "Dockerfile").read_text())
    assert f"USER {gid}:{gid}" in (FOLDER / "Dockerfile").read_text()
    made = compose()["services"]["spool"]["entrypoint"]
    assert made[made.index("-g") + 1] == gid
    assert int(made[made.index("-m") + 1], 8) & 0o2070 == 0o2070
    assert compose()["services"]["exporter"]["depends_on"] == {"spool": {"condition": "service_completed_successfully"}}
    deployment = next(iter(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())))
    context = deployment["spec"]["template"]["spec"]["securityContext"]
    assert {context[name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {int(gid)}
    for name in ("README.md", "kubernetes.yaml", "compose/compose.yaml"):
        text = (FOLDER / name).read_text()
        assert set(re.findall(r"spool_group = (\d+)", text)) == {gid}, name
        assert 'spool_mode = "0640"' in text, name
    unit = (FOLDER / "systemd" / "auditor-exporter.service").read_text()
    assert {"User=render-auditor", "Group=render-auditor"} <= set(unit.splitlines())


def test_prometheus_and_alertmanager_take_their_configuration(tmp_path: Path) -> None:
    """promtool with the rules where the composition puts them, amtool."""
    for part in ("rules", "alerts"):
        (tmp_path / part).symlink_to(ROOT / "grafana" / part)
    config = tmp_path / "prometheus.yml"
    config.write_text((FOLDER / "compose" / "prometheus.yml").read_text())
    for program, package, arguments in (
        ("promtool", "prometheus", ["check", "config", str(config)]),
        ("amtool", "prometheus-alertmanager", ["check-config", str(ROOT / "grafana" / "alertmanager.example.yml")]),
    ):
        done = subprocess.run([need(package, program), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_manifest() -> None:
    """Ports, volumes and selectors of the Kubernetes manifest meet."""
    documents = {found["kind"]: found for found in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())}
    pod = documents["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["spec"]["volumes"]
    }
    labels = pod["metadata"]["labels"]
    assert documents["Service"]["spec"]["selector"] == labels
    assert documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert documents["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    ports = {port["name"] for port in container["ports"]}
    assert {
        documents["Service"]["spec"]["ports"][0]["targetPort"],
        container["readinessProbe"]["httpGet"]["port"],
    } == ports
