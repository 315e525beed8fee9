"""The Kustomize base and its example, as kubectl builds them with the secrets that secrets.sh makes."""

import copy
import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import kubernetes_validate
import pytest
import yaml
from auditor_exporter.alertfiles import contents
from auditor_exporter.alerts import Parameters

from auditor.version import __version__
from tests.contracts.test_deployment import FOLDER, containers
from tests.services import need, running

VERSIONS = ("1.29", "1.37")
"""The first with sidecars, and a new one."""
Resource = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of docs/deployment/kubernetes with secrets."""
    made = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(FOLDER / "kubernetes", made, ignore=shutil.ignore_patterns("secrets"))
    need("apache2-utils", "htpasswd")
    need("openssl", "openssl")
    subprocess.run([made / "secrets.sh", "shop"], check=True)
    return made


def built(folder: Path) -> list[Resource]:
    """What would be applied."""
    kubectl = need("kubernetes-client", "kubectl")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def resources(folder: Path) -> list[Resource]:
    """Those of the example."""
    return built(folder / "example")


def validate(resource: Resource) -> None:
    """By the schema of its kind, with unknown fields refused."""
    if resource["apiVersion"].startswith("monitoring.coreos.com/"):
        schema = Path(__file__).parent / "monitoring" / f"{resource['kind']}.json"
        jsonschema.validate(resource, json.loads(schema.read_text()))
        return
    for version in VERSIONS:
        kubernetes_validate.validate(resource, version, strict=True)


def named(resources: list[Resource], kind: str, name: str) -> Resource:
    """The one of a kind and name."""
    (found,) = (each for each in resources if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pods(resources: list[Resource]) -> Iterator[tuple[str, dict[str, str], Resource]]:
    """(name, labels, specification) of each pod."""
    for each in resources:
        made = each.get("spec", {})
        made = made.get("jobTemplate", {}).get("spec", made)
        if "template" in made:
            yield each["metadata"]["name"], made["template"]["metadata"]["labels"], made["template"]["spec"]


def test_resources_are_what_their_schemas_say(folder: Path, resources: list[Resource]) -> None:
    """The base alone, too; all kinds that a cluster needs are there."""
    kinds = {
        "Deployment", "Service", "PersistentVolumeClaim", "ConfigMap", "Secret", "CronJob", "ServiceMonitor",
        "PrometheusRule", "NetworkPolicy",
    }  # fmt: skip
    for found in (resources, built(folder / "base")):
        assert {each["kind"] for each in found} == kinds
        for each in found:
            validate(each)


def test_the_schemas_refuse_a_field_that_is_misspelled(resources: list[Resource]) -> None:
    """At the top of each resource's specification, so that the test above means something."""
    for each in resources:
        if "spec" in each:
            wrong = copy.deepcopy(each)
            wrong["spec"]["wrong"] = wrong["spec"].pop(next(iter(wrong["spec"])))
            with pytest.raises(jsonschema.ValidationError):
                validate(wrong)


def test_what_pods_name_is_there(resources: list[Resource]) -> None:
    """Volumes, the keys of secrets, claims and configuration; the ports of probes."""
    for name, _, pod in pods(resources):
        volumes = {each["name"]: each for each in pod["volumes"]}
        mounted = [mount["name"] for each in containers(pod) for mount in each["volumeMounts"]]
        assert set(mounted) == volumes.keys(), name
        for volume in volumes.values():
            if "secret" in volume:
                secret = named(resources, "Secret", volume["secret"]["secretName"])
                assert {item["key"] for item in volume["secret"].get("items", ())} <= secret["data"].keys()
            if "configMap" in volume:
                assert "auditor.toml" in named(resources, "ConfigMap", volume["configMap"]["name"])["data"]
            if "persistentVolumeClaim" in volume:
                named(resources, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        for each in containers(pod):
            ports = {port["name"] for port in each.get("ports", ())}
            probes = (each.get(f"{kind}Probe") for kind in ("readiness", "liveness"))
            assert all(probe is None or probe["httpGet"]["port"] in ports for probe in probes)
            for variable in each.get("env", ()):
                reference = variable["valueFrom"]["secretKeyRef"]
                assert reference["key"] in named(resources, "Secret", reference["name"])["data"]


def test_selectors_meet_pods(resources: list[Resource]) -> None:
    """The Service and the policies the exporter and the jobs; the jobs stand beside it."""
    labels = {name: each for name, each, _ in pods(resources)}
    selectors = [named(resources, "Service", "render-auditor")["spec"]["selector"]]
    for kind in ("exporter", "job"):
        policy = named(resources, "NetworkPolicy", f"render-auditor-{kind}")["spec"]
        assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
        selectors.append(policy["podSelector"]["matchLabels"])
    exporter, jobs = {"render-auditor"}, {"render-auditor-audit", "render-auditor-prune"}
    met = [{name for name in labels if each.items() <= labels[name].items()} for each in selectors]
    assert met == [exporter, exporter, jobs]
    for _, _, pod in pods([each for each in resources if each["kind"] == "CronJob"]):
        (beside,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert beside["labelSelector"]["matchLabels"] == selectors[0]
    monitor = named(resources, "ServiceMonitor", "render-auditor")["spec"]
    service = named(resources, "Service", "render-auditor")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["endpoints"]} == {each["name"] for each in service["spec"]["ports"]}
    (endpoint,) = monitor["endpoints"]
    keys = named(resources, "Secret", "render-auditor-scrape")["data"].keys()
    assert {
        endpoint["tlsConfig"]["ca"]["secret"]["key"],
        *(each["key"] for each in endpoint["basicAuth"].values()),
    } <= keys


def test_the_sidecar_is_added_and_let_in(resources: list[Resource]) -> None:
    """To the application that asks for it, as a container that lives as long as the pod; its volume is the same."""
    (app,) = (pod for name, _, pod in pods(resources) if name == "shop")
    (forward,) = app["initContainers"]
    assert forward["restartPolicy"] == "Always"
    assert forward["image"].endswith(f"/render-auditor:{__version__}")  # (the image of the example)
    writes, reads = (
        next(mount["mountPath"] for mount in each["volumeMounts"] if mount["name"] == "renders")
        for each in (app["containers"][0], forward)
    )
    assert writes == reads == forward["args"][1]
    assert forward["securityContext"]["runAsGroup"] == app["securityContext"]["fsGroup"]
    allowed = named(resources, "NetworkPolicy", "render-auditor-exporter")["spec"]["ingress"][0]["from"]
    labels = [each["podSelector"]["matchLabels"] for each in allowed if "podSelector" in each]
    assert any(each.items() <= found.items() for each in labels for name, found, _ in pods(resources) if name == "shop")
    assert "initContainers" not in next(pod for name, _, pod in pods(resources) if name == "render-auditor")


def test_pods_are_restricted(resources: list[Resource]) -> None:
    """As the Pod Security Standard `restricted` wants it."""
    for name, _, pod in pods(resources):
        for each in containers(pod):
            own = {**pod.get("securityContext", {}), **each["securityContext"]}
            assert own["runAsNonRoot"] is True and own["runAsUser"] > 0, name
            assert own["allowPrivilegeEscalation"] is False and own["capabilities"] == {"drop": ["ALL"]}, name
            assert own["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert {"limits", "requests"} <= each["resources"].keys(), name


def test_alerts_are_those_of_the_exporter(tmp_path: Path) -> None:
    """The same file that the command writes; promtool takes its groups."""
    files = dict(contents(Parameters(), "prometheusrule"))
    alerts = FOLDER / "kubernetes" / "base" / "alerts.yaml"
    assert alerts.read_text() == files["prometheusrule.yaml"], (
        "auditor-exporter alerts --format prometheusrule --out DIR, then copy DIR/prometheusrule.yaml to "
        "docs/deployment/kubernetes/base/alerts.yaml"
    )
    (tmp_path / "rules.yml").write_text(yaml.dump(yaml.safe_load(alerts.read_text())["spec"]))
    subprocess.run([need("prometheus", "promtool"), "check", "rules", tmp_path / "rules.yml"], check=True)


def test_the_secrets_protect_the_exporter(folder: Path, tmp_path: Path) -> None:
    """With the options of the base, on loopback: Prometheus' password is taken, no other, and a second run keeps it."""
    secrets = folder / "base" / "secrets"
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    subprocess.run([folder / "secrets.sh", "shop"], check=True)
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before
    assert {path.stat().st_mode & 0o077 for path in secrets.iterdir()} == {0}
    for removed in ("ca.key", "ca.crt"):
        (secrets / removed).unlink()
        subprocess.run([folder / "secrets.sh", "shop"], check=True)
        subprocess.run(["openssl", "verify", "-CAfile", secrets / "ca.crt", secrets / "tls.crt"], check=True)
    (exporter,) = containers(yaml.safe_load_all((folder / "base" / "exporter.yaml").read_text()))
    places = {
        "0.0.0.0:19710": "127.0.0.1:0", "/etc/render-auditor-web": str(secrets),
        "/etc/render-auditor": str(folder / "base"), "/var/lib/render-auditor": str(tmp_path),
    }  # fmt: skip
    arguments = list(exporter["args"])
    for there, here in places.items():
        arguments = [each.replace(there, here) for each in arguments]
    with running([sys.executable, "-m", "auditor_exporter.main", *arguments], tmp_path) as process:
        assert process.stdout is not None
        port = httpx.URL(process.stdout.readline().strip()).port
        tls = ssl.create_default_context(cafile=secrets / "ca.crt")
        with httpx.Client(verify=tls, trust_env=False, base_url=f"https://127.0.0.1:{port}") as client:
            asked = {"headers": {"Host": "localhost"}, "extensions": {"sni_hostname": "render-auditor"}}
            user = (before["username"].decode(), before["password"].decode())
            assert client.get("/metrics", auth=user, **asked).status_code == 200
            assert client.get("/metrics", **asked).status_code == 401
            token = before["token"].decode()
            given = {**asked["headers"], "Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
            answers = [
                client.post("/v1/events", content=b"", headers=headers, extensions=asked["extensions"])
                for headers in (given, {**given, "Authorization": "Bearer wrong"})
            ]
            assert [each.status_code for each in answers] == [200, 401]
