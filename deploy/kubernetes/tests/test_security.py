"""What the pods are allowed: the restricted profile for weir and the agent, the DaemonSet's exceptions one by one, a lint for all."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

from rendering import helm, pick, pod_specs, renderings

# The volumes that the restricted profile allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}

# What the DaemonSet does that the profile forbids, and why.
NODE_EXCEPTIONS = {
    "runs as root": "containerd's directories and socket are root's; with every capability dropped, root owns files and no more",
    "hostPath containerd-config, read-only": "which config_path this containerd reads, and whether it would parse its files",
    "hostPath certs-d": "where it writes: hosts.toml for each registry, and nothing else",
    "hostPath containerd-run, read-only": "which containerd runs, asked over the socket in it; by the socket alone it would be mute once containerd restarts",
}

# What checkov says of each kind of pod, and why it stays. What it does not say any more has to leave the list.
TAG = "a release's tag is not moved; image.digest pins it for who wants that"
PULL = "a restart must not need a registry: IfNotPresent, and tags that do not move"
PROCESSOR = "a limit would slow pulls down by the scans beside them; the request keeps a share, memory is limited"
LINT = {
    ("StatefulSet", "CKV_K8S_43"): TAG,
    ("StatefulSet", "CKV_K8S_15"): PULL,
    ("StatefulSet", "CKV_K8S_11"): PROCESSOR,
    ("StatefulSet", "CKV_K8S_38"): "it watches its cluster, by list and watch alone",
    ("Deployment", "CKV_K8S_43"): TAG,
    ("Deployment", "CKV_K8S_15"): PULL,
    ("Deployment", "CKV_K8S_11"): PROCESSOR,
    ("Deployment", "CKV_K8S_38"): "it watches its cluster, by list and watch alone",
    ("Deployment", "CKV_K8S_8"): "the agent listens nowhere, ends when it cannot go on, and the report tells its silence",
    ("Deployment", "CKV_K8S_9"): "nothing is sent to it, so nobody asks whether it is ready",
    ("DaemonSet", "CKV_K8S_43"): TAG,
    ("DaemonSet", "CKV_K8S_15"): PULL,
    ("DaemonSet", "CKV_K8S_11"): PROCESSOR,
    ("DaemonSet", "CKV_K8S_8"): "it listens nowhere, and nothing that goes wrong on the node ends it",
    ("DaemonSet", "CKV_K8S_9"): "nothing is sent to it, so nobody asks whether it is ready",
    ("DaemonSet", "CKV_K8S_23"): NODE_EXCEPTIONS["runs as root"],
    ("DaemonSet", "CKV_K8S_40"): NODE_EXCEPTIONS["runs as root"],
}


def breaches(spec):
    """Each rule of the restricted profile (with the baseline's) that a pod breaks. Windows and what 1.28 does not know left aside."""
    found = []
    pod = spec.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            found.append(field)
    if pod.get("sysctls"):
        found.append("sysctls")
    if pod.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        found.append("no seccomp profile")
    if pod.get("runAsUser") == 0 or not pod.get("runAsNonRoot"):
        found.append("runs as root")
    if pod.get("seLinuxOptions", {}).get("type", "container_t") not in ("container_t", "container_init_t", "container_kvm_t"):
        found.append("seLinuxOptions")
    read_only = {mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", []) if mount.get("readOnly")}
    for volume in spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            found.append(f"{kind} {volume['name']}" + (", read-only" if volume["name"] in read_only else ""))
    for container in spec["containers"] + spec.get("initContainers", []):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            found.append("allowPrivilegeEscalation")
        if context.get("privileged"):
            found.append("privileged")
        capabilities = context.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            found.append("capabilities")
        if context.get("procMount", "Default") != "Default":
            found.append("procMount")
        if context.get("runAsUser") == 0:
            found.append("runs as root")
        if any("hostPort" in port for port in container.get("ports", [])):
            found.append("hostPort")
    return found


class Security(unittest.TestCase):
    maxDiff = None

    def test_restricted_but_for_the_node_s_exceptions(self):
        for name, found in renderings().items():
            for (kind, _), spec in pod_specs(found):
                if kind == "DaemonSet":
                    expected = sorted(NODE_EXCEPTIONS) + (["seLinuxOptions"] if name == "node-only.yaml" else [])
                    self.assertEqual(sorted(breaches(spec)), sorted(expected), name)
                else:
                    self.assertEqual(breaches(spec), [], f"{name} {kind}")

    def test_beyond_the_profile(self):
        for name, found in renderings().items():
            for (kind, _), spec in pod_specs(found):
                (container,) = spec["containers"]
                self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"], f"{name} {kind}")
                self.assertIn("memory", container["resources"]["limits"], f"{name} {kind}")
                if kind != "DaemonSet":
                    context = spec["securityContext"]
                    self.assertEqual((context["runAsUser"], context["runAsGroup"], context["fsGroup"]), (65532,) * 3)

    def test_secrets_are_named_and_never_held(self):
        for name, found in renderings().items():
            for (kind, _), spec in pod_specs(found):
                for volume in spec["volumes"]:
                    if "secret" in volume:
                        self.assertEqual(volume["secret"]["defaultMode"], 0o440, f"{name} {kind}")
                        mounts = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
                        self.assertTrue(mounts and all(mount["readOnly"] and "subPath" not in mount for mount in mounts))

    def test_nodes_mount_what_each_distribution_has(self):
        k3s = "/var/lib/rancher/k3s/agent/etc/containerd"
        rke2 = "/var/lib/rancher/rke2/agent/etc/containerd"
        microk8s = "/var/snap/microk8s/current/args"
        for values, config, certs, socket in [
            ("nodes.yaml", "/etc/containerd/config.toml", "/etc/containerd/certs.d", "/run/containerd/containerd.sock"),
            ("nodes-k3s.yaml", f"{k3s}/config.toml", f"{k3s}/certs.d", "/run/k3s/containerd/containerd.sock"),
            ("nodes-rke2.yaml", f"{rke2}/config.toml", f"{rke2}/certs.d", "/run/k3s/containerd/containerd.sock"),
            ("node-exclude.yaml", f"{microk8s}/containerd.toml", f"{microk8s}/certs.d", "/var/snap/microk8s/common/run/containerd.sock"),
            ("node-only.yaml", "/opt/containerd/config.toml", "/opt/containerd/certs.d", "/opt/run/containerd.sock"),
        ]:
            spec = pick(helm(values), "DaemonSet")["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            paths = {volume["name"]: volume["hostPath"] for volume in spec["volumes"] if "hostPath" in volume}
            directory = str(Path(config).parent)
            self.assertEqual(
                paths,
                {
                    "containerd-config": {"path": directory, "type": "Directory"},
                    "certs-d": {"path": certs, "type": "DirectoryOrCreate"},
                    "containerd-run": {"path": str(Path(socket).parent), "type": "Directory"},
                },
            )
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] in paths}
            self.assertEqual(mounts, {name: "/host" + path["path"] for name, path in paths.items()})
            arguments = container["args"]
            said = {flag: arguments[arguments.index(flag) + 1] for flag in ("--containerd-config", "--certs-d", "--containerd-socket")}
            self.assertEqual(said, {"--containerd-config": config, "--certs-d": certs, "--containerd-socket": "/host" + socket})

    def test_the_lint_finds_nothing_that_is_not_explained(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in ("nodes.yaml", "agent.yaml", "node-only.yaml", "tls.yaml", "console.yaml", "settings.yaml"):
                (Path(directory) / name).write_text(yaml.safe_dump_all(helm(name)))
            command = [sys.executable, "-m", "checkov.main", "-d", directory, "--framework", "kubernetes", "--skip-download", "--quiet", "--compact", "-o", "json"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        result = json.loads(done.stdout)
        self.assertGreater(result["summary"]["passed"], 300)
        self.assertEqual((result["summary"]["parsing_errors"], result["summary"]["skipped"]), (0, 0))
        said = {(each["resource"].split(".")[0], each["check_id"]): each["check_name"] for each in result["results"]["failed_checks"]}
        self.assertEqual({key: words for key, words in said.items() if key not in LINT}, {}, "not explained")
        self.assertEqual(LINT.keys() - said.keys(), set(), "explained, and not found any more")
