"""The deployment files as far as they can be checked without the machines that they are for."""

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from auditor_exporter.alerts import Parameters

from tests.services import ROOT, free_port, need, running, until

FOLDER = ROOT / "docs" / "deployment"
EXAMPLE = ROOT / "grafana" / "alertmanager.example.yml"
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
    yield "compose.yaml exporter", entry + compose()["services"]["exporter"]["command"]
    loop = compose()["services"]["audit"]["entrypoint"][-1]
    yield "compose.yaml audit", shlex.split(re.search(r"do (auditor .*?);", loop)[1])  # type: ignore[index]
    for path in sorted((FOLDER / "kubernetes").rglob("*.yaml")):
        for container in containers(yaml.safe_load_all(path.read_text())):
            if container["image"] == "render-auditor":
                yield f"{path.name} {container['name']}", container.get("command", entry) + container["args"]


def containers(value: Any) -> Iterator[dict[str, Any]]:
    """Those of all pods in some YAML, wherever they stand."""
    if isinstance(value, dict):
        yield from (each for name in ("initContainers", "containers") for each in value.get(name, ()))
    for each in value.values() if isinstance(value, dict) else value if not isinstance(value, str | int | None) else ():
        yield from containers(each)


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
    pods = yaml.safe_load_all((FOLDER / "kubernetes" / "base" / "exporter.yaml").read_text())
    context = next(each for each in pods if each["kind"] == "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert {context[name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {int(gid)}
    sidecar = yaml.safe_load((FOLDER / "kubernetes" / "forward" / "sidecar.yaml").read_text())
    (forward,) = containers(sidecar)
    assert {forward["securityContext"][name] for name in ("runAsUser", "runAsGroup")} == {int(gid)}
    for name in ("README.md", "kubernetes/example/app.yaml", "compose/compose.yaml", "compose/shop.py"):
        text = (FOLDER / name).read_text()
        assert set(re.findall(r"spool_group ?= ?(\d+)", text)) == {gid}, name
        assert 'spool_mode = "0640"' in text or "spool_mode=0o640" in text, name
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
        ("amtool", "prometheus-alertmanager", ["check-config", str(EXAMPLE)]),
        ("amtool", "prometheus-alertmanager", ["check-config", str(FOLDER / "compose" / "alertmanager.yml")]),
    ):
        done = subprocess.run([need(package, program), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_composition_has_the_example_of_alertmanager_with_its_own_receiver() -> None:
    """By the name of the service."""
    ours = (FOLDER / "compose" / "alertmanager.yml").read_text().partition("\n")[2]
    assert ours == EXAMPLE.read_text().partition("\n")[2].replace("127.0.0.1:9999", "receiver:9999")
    assert "receiver" in compose()["services"]


def test_one_job_everywhere() -> None:
    """Alerts and dashboards know the exporter by it."""
    monitor = yaml.safe_load((FOLDER / "kubernetes" / "base" / "monitoring.yaml").read_text())
    ((relabeling,),) = (endpoint["relabelings"] for endpoint in monitor["spec"]["endpoints"])
    assert (relabeling["targetLabel"], relabeling["replacement"]) == ("job", Parameters().job)
    for path in (FOLDER / "compose" / "prometheus.yml", ROOT / "docs" / "exporter.md", FOLDER / "README.md"):
        assert set(re.findall(r"job_name: (\w+)", path.read_text())) == {Parameters().job}, path


def test_containers_have_no_privileges() -> None:
    """But the one that gives the volume to the group."""
    for name, service in compose()["services"].items():
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert name == "spool" or not {"cap_add", "privileged"} & service.keys(), name


def test_the_mode_of_the_volume_needs_no_other_capabilities(tmp_path: Path) -> None:
    """`spool` runs with those that it is given, and gets the mode and group that it asks for."""
    service, folder = compose()["services"]["spool"], tmp_path / "renders"
    if os.geteuid():
        pytest.skip("needs root")
    kept = ",".join(f"+{name.lower()}" for name in service["cap_add"])
    bounds = [f"--{kind}=-all,{kept}" for kind in ("inh-caps", "bounding-set")]
    command = [*service["entrypoint"][:-1], str(folder)]
    subprocess.run([need("util-linux", "setpriv"), *bounds, *command], check=True)
    status = folder.stat()
    assert (status.st_mode & 0o7777, status.st_gid) == (0o3770, 10001)


def test_images_and_actions_are_pinned() -> None:
    """By what they contain; ours is built."""
    files = [path for path in FOLDER.rglob("*") if path.suffix in (".yaml", ".yml") or path.name == "Dockerfile"]
    text = "\n".join(path.read_text() for path in files if "example" not in path.parts)
    images = re.findall(r"^(?:FROM|\s*-? ?image:) (\S+)", text, re.MULTILINE)
    actions = re.findall(r"uses: (\S+)", text)
    assert len(images) > 8 and len(actions) > 3
    for image in images:
        assert image == "render-auditor" or re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image), image
    for action in actions:
        assert re.search(r"@[0-9a-f]{40}$", action), action


def test_the_demo_application_and_receiver(tmp_path: Path) -> None:
    """One renders and writes events that its group can read; the other prints what Alertmanager posts."""
    shop = (FOLDER / "compose" / "shop.py").read_text()
    folder = tmp_path / "shop"
    code = shop.replace("/var/log/renders/shop", str(folder)).replace("10001", str(os.getegid()))
    with running([sys.executable, "-c", code], folder=tmp_path):
        until(lambda: most_common(folder, "render") > 1)
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}
    port = free_port()
    receiver = [sys.executable, "-u", str(FOLDER / "compose" / "receiver.py"), str(port)]
    with running(receiver, folder=tmp_path) as process:
        alert = {
            "status": "firing", "labels": {"alertname": "ImgRenderPlanUsedUp", "account": "main"},
            "annotations": {"summary": "used up"},
        }  # fmt: skip
        until(lambda: posted(f"http://127.0.0.1:{port}/pager", {"alerts": [alert]}))
        assert process.stdout is not None
        assert process.stdout.readline() == "/pager firing ImgRenderPlanUsedUp {'account': 'main'} used up\n"


def most_common(folder: Path, outcome: str) -> int:
    """How often the request that came most often had an outcome."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().split("\n")[:-1]]
    events = [event for event in map(json.loads, lines) if event["outcome"] == outcome]
    return max(Counter(event["key"] for event in events).values(), default=0)


def posted(url: str, body: Any) -> bool:
    """Whether somebody took it."""
    try:
        return httpx.post(url, json=body).status_code == 200
    except httpx.ConnectError:
        return False
