"""Writes what is made of something else: base/ and the overlays of the chart, the chart's copies of rules and dashboards, and the table
of values in docs/install.md. The tests hold them equal."""

import re
import shutil

import table
from rendering import KUBERNETES, OVERLAYS, REPOSITORY, helm_text, objects, pick

NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: weir
  labels:
    # Everything here keeps to the strictest profile; a pod that does not is refused.
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
    pod-security.kubernetes.io/audit: restricted
"""

HEADER = "# Made from the chart by `WEIR_UPDATE_DOCS=1 deploy/kubernetes/tests/run.sh`; a test keeps the two equal.\n"


def main():
    copy_observed()
    write_base()
    for overlay, values in OVERLAYS.items():
        write_overlay(overlay, values)
    table.write()


def copy_observed():
    """Rules and dashboards into the chart: Helm reads no files beside its chart, and some that carry charts drop links."""
    for kind in ("rules", "dashboards"):
        kept = KUBERNETES / "chart" / "files" / kind
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for file in observed(kind):
            shutil.copyfile(file, kept / file.name)


def observed(kind):
    """What deploy/observe has of a kind."""
    directory = REPOSITORY / "deploy" / "observe" / kind
    return sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".json"))


def write_base():
    files = by_template(helm_text())
    settings = files.pop("configmap")
    for name, text in files.items():
        put(f"base/{name}.yaml", HEADER + text)
    put("base/namespace.yaml", NAMESPACE)
    put("base/weir.toml", "# What kubectl apply gives weir; every key is in docs/configuration.md.\n\n" + toml(settings, "weir"))
    resources = ["namespace.yaml", *(f"{name}.yaml" for name in files)]
    put("base/kustomization.yaml", kustomization(resources, [("weir", "weir.toml", "server")]))


def write_overlay(overlay, values):
    files = by_template(helm_text(values))
    agent = overlay == "agent"
    resources, generators = ([] if agent else ["../../base"]), []
    for name, text in files.items():
        if agent or name == "node" or "weir-node" in text:
            # The base has the rest of these.
            parts = [part for part in text.split("\n---\n") if agent or "-node\n" in part]
            kept = [part for part in parts if not re.search(r"^kind: ConfigMap$", part, re.M)]
            put(f"overlays/{overlay}/{name}.yaml", HEADER + "\n---\n".join(part.strip("\n") for part in kept) + "\n")
            resources.append(f"{name}.yaml")
    if not agent:
        put(f"overlays/{overlay}/node.toml", "# The registries that nodes pull through weir.\n\n" + toml(files["node"], "weir-node"))
        generators.append(("weir-node", "weir.toml=node.toml", "node"))
    else:
        put(f"overlays/{overlay}/namespace.yaml", NAMESPACE)
        resources.insert(0, "namespace.yaml")
    put(f"overlays/{overlay}/kustomization.yaml", kustomization(resources, generators, privileged=not agent))


def kustomization(resources, generators, privileged=False):
    text = HEADER + "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: weir\nresources:\n"
    text += "".join(f"  - {resource}\n" for resource in resources)
    if generators:
        text += "# A changed file is a ConfigMap of another name, and so another pod.\nconfigMapGenerator:\n"
    for name, file, component in generators:
        text += f"  - name: {name}\n    files: [{file}]\n    options:\n      labels:\n"
        text += f'        app.kubernetes.io/version: "{version()}"\n        app.kubernetes.io/name: weir\n'
        text += f"        app.kubernetes.io/instance: weir\n        app.kubernetes.io/component: {component}\n"
    if privileged:
        text += """\
patches:
  # The DaemonSet needs directories of the host; every other pod here still keeps to the restricted profile.
  - target: {kind: Namespace, name: weir}
    patch: |
      - {op: replace, path: /metadata/labels/pod-security.kubernetes.io~1enforce, value: privileged}
"""
    return text


def version():
    return pick(objects(helm_text()), "StatefulSet")["metadata"]["labels"]["app.kubernetes.io/version"]


def by_template(text):
    """What each template rendered, without what is Helm's alone."""
    files = {}
    for part in re.split(r"^---\n", text, flags=re.M):
        found = re.match(r"# Source: weir/templates/(.+)\.yaml\n", part)
        if not found:
            continue
        part = part[found.end() :]
        part = re.sub(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", "", part, flags=re.M)
        part = re.sub(r"^ *annotations:\n( *#.*\n)? *checksum/config: .*\n", "", part, flags=re.M)
        part = re.sub(r"^ *(# Settings are read at start.*|checksum/config: .*)\n", "", part, flags=re.M)
        part = "\n".join(line.rstrip() for line in part.strip("\n").splitlines()) + "\n"
        name = found.group(1)
        files[name] = files[name] + "---\n" + part if name in files else part
    return files


def toml(text, name):
    return pick(objects(text), "ConfigMap", name)["data"]["weir.toml"]


def put(path, text):
    target = KUBERNETES / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


if __name__ == "__main__":
    main()
