"""What Helm and kustomize make of the manifests, as objects. Owns calls of the two; leaves judgement to the tests."""

import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import yaml

KUBERNETES = Path(__file__).resolve().parent.parent
CHART = KUBERNETES / "chart"
VALUES = KUBERNETES / "tests" / "values"
REPOSITORY = KUBERNETES.parent.parent
# As tools.sh laid them beside the packages that this runs with.
TOOLS = Path(os.environ["MANIFEST_TOOLS"]) / "bin"
# The oldest and the newest Kubernetes that the manifests are for; Chart.yaml and docs/install.md say so.
OLDEST, NEWEST = "1.28", "1.37"
# Overlays, and the values that make the chart render the same.
OVERLAYS = {"nodes": "nodes.yaml", "nodes-k3s": "nodes-k3s.yaml", "nodes-rke2": "nodes-rke2.yaml", "agent": "agent.yaml"}


class Refused(Exception):
    """Helm or kustomize said no, and why."""


def run(*command):
    # Neither reads what the machine's user has set up, nor asks a cluster.
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": "/dev/null"}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise Refused(done.stderr)
    return done.stdout


@cache
def helm_text(*values, sets=(), chart=CHART, release="weir", namespace="weir", kubernetes=NEWEST, extra=()):
    """What `helm template` prints. `values` are files or names of files in tests/values."""
    command = [TOOLS / "helm", "template", release, chart, "--namespace", namespace, "--kube-version", kubernetes, *extra]
    for file in values:
        command += ["--values", VALUES / file]
    for pair in sets:
        command += ["--set-json", pair]
    return run(*command)


def helm(*values, **options):
    return objects(helm_text(*values, **options))


@cache
def kustomize_text(directory):
    return run(TOOLS / "kubectl", "kustomize", KUBERNETES / directory)


def kustomize(directory):
    return objects(kustomize_text(directory))


def objects(text):
    return [found for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]


@cache
def value_files():
    return sorted(path.name for path in VALUES.glob("*.yaml"))


def renderings(**options):
    """Everything that is rendered here, by what it is rendered from."""
    return {"defaults": helm(**options)} | {file: helm(file, **options) for file in value_files()}


def key(found):
    return (found["kind"], found["metadata"]["name"])


def pick(found, kind, name=None):
    """The one object of a kind, or of a kind and name."""
    chosen = [each for each in found if each["kind"] == kind and name in (None, each["metadata"]["name"])]
    assert len(chosen) == 1, f"{len(chosen)} of {kind} {name}: {[key(each) for each in found]}"
    return chosen[0]


def pod_specs(found):
    """Each workload's name and the specification of its pods."""
    return [
        (key(each), each["spec"]["template"]["spec"])
        for each in found
        if each["kind"] in ("StatefulSet", "DaemonSet", "Deployment")
    ]


def normal(found):
    """Objects by kind and name, without what only the tool is told by: Helm's labels and checksum, kustomize's suffixes."""
    names = {}
    for each in found:
        name = each["metadata"]["name"]
        if each["kind"] == "ConfigMap":
            names[name] = re.sub(r"-[a-z0-9]{10}$", "", name)
    plain = {}
    for each in found:
        each = renamed(each, names)
        for metadata in (each["metadata"], each.get("spec", {}).get("template", {}).get("metadata", {})):
            for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
                metadata.get("labels", {}).pop(label, None)
            metadata.get("annotations", {}).pop("checksum/config", None)
            if not metadata.get("annotations", True):
                del metadata["annotations"]
        if "weir.toml" in each.get("data", {}):
            each["data"]["weir.toml"] = tomllib.loads(each["data"]["weir.toml"])
        assert key(each) not in plain, f"twice: {key(each)}"
        plain[key(each)] = each
    return plain


def renamed(value, names):
    if isinstance(value, dict):
        return {name: renamed(inner, names) for name, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value
