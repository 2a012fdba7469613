"""weir itself: each rendered weir.toml passes its check, each container's arguments are its own, and the first sign-in works."""

import os
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from rendering import KUBERNETES, OVERLAYS, helm, kustomize, pick, pod_specs, renderings

WEIR = Path(os.environ["WEIR_BIN"])
# What `weir config check` warns of and is meant: credentials of weir's own for whoever reaches the mirror, those of clients without TLS.
WARNED = {"settings.yaml": ["upstream[0].access", "upstream[1].access", "upstream[2].access"]}
START_SECONDS = 60
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def weir(*arguments, **options):
    environment = {"PATH": os.environ["PATH"]} | options.pop("environment", {})
    return subprocess.run([WEIR, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=60, **options)


def everything():
    return renderings() | {name: kustomize(name) for name in ("base", *(f"overlays/{overlay}" for overlay in OVERLAYS))}


def knows(command):
    return weir(command, "--help").returncode == 0


class Commands(unittest.TestCase):
    def test_every_rendered_configuration_passes_weir_s_own_check(self):
        checked = set()
        with tempfile.TemporaryDirectory() as directory:
            for name, found in everything().items():
                for each in found:
                    text = each.get("data", {}).get("weir.toml") if each["kind"] == "ConfigMap" else None
                    if text is None or text in checked:
                        continue
                    checked.add(text)
                    file = Path(directory) / "weir.toml"
                    file.write_text(text)
                    done = weir("config", "check", file)
                    self.assertEqual(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}\n{text}")
                    warnings = [line for line in done.stdout.splitlines() if line.startswith("warning")]
                    expected = WARNED.get(name, []) if not each["metadata"]["name"].endswith("-node") else []
                    self.assertEqual(len(warnings), len(expected), f"{name}: {warnings}")
                    for warning, part in zip(warnings, expected, strict=True):
                        self.assertIn(part, warning)
        self.assertGreater(len(checked), 10)

    def test_a_mistake_in_a_setting_would_be_found(self):
        found = pick(helm(sets=('config.log.level="loud"',)), "ConfigMap", "weir")
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "weir.toml"
            file.write_text(found["data"]["weir.toml"])
            done = weir("config", "check", file)
        self.assertEqual(done.returncode, 1)
        self.assertIn("log.level", done.stdout)

    def test_weir_takes_every_container_s_arguments(self):
        commands = set()
        for name, found in everything().items():
            for (kind, _), spec in pod_specs(found):
                for container in spec["containers"]:
                    self.assertEqual(container["command"], ["weir"])
                    arguments = [self.expanded(argument) for argument in container["args"]]
                    commands.add(arguments[0])
                    if arguments[0] == "node" and not knows("node"):
                        continue
                    # Arguments are read in order: those before --help have to be known, and of the right form.
                    done = weir(*arguments, "--help")
                    self.assertEqual(done.returncode, 0, f"{name} {kind} {arguments}: {done.stderr}")
        self.assertEqual(commands, {"serve", "agent", "node"})
        self.assertEqual(weir("serve", "--no-such", "--help").returncode, 2)
        self.assertEqual(weir("agent", "--report", "no url", "--help").returncode, 2)

    @staticmethod
    def expanded(argument):
        """As the kubelet expands variables."""
        address = "fd00:10:96::7" if "[$(" in argument else "10.96.0.7"
        for variable, value in {"WEIR_MIRROR_SERVICE_HOST": address, "NODE_NAME": "worker-1"}.items():
            argument = argument.replace(f"$({variable})", value)
        assert "$(" not in argument, argument
        return argument

    def test_what_base_installs_starts_ready_closed_and_opens_by_a_token(self):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "weir.toml"
            file.write_text((KUBERNETES / "base" / "weir.toml").read_text())
            mirror, report = free_port(), free_port()
            environment = {
                "WEIR_LISTEN__MIRROR": f"127.0.0.1:{mirror}",
                # Every address, as in a pod: on loopback alone the report would be open.
                "WEIR_LISTEN__REPORT": f"0.0.0.0:{report}",
                "WEIR_DATA__DIRECTORY": f"{directory}/data",
                "WEIR_ADVISORY__SOURCE": "/var/empty",
            }
            with open(f"{directory}/log", "w") as log:
                process = subprocess.Popen([WEIR, "serve", "--config", file], env=environment, stdout=log, stderr=log)
            try:
                self.wait_until_ready(process, report, f"{directory}/log")
                self.assertEqual(status(f"http://127.0.0.1:{report}/healthz"), 200)
                self.assertEqual(status(f"http://127.0.0.1:{report}/metrics"), 200)
                self.assertEqual(status(f"http://127.0.0.1:{mirror}/v2/"), 200)
                self.assertEqual(status(f"http://127.0.0.1:{report}/api/v1/images"), 401)
                made = weir("token", "create", "--role", "administrator", "--name", "first", "--expires", "1d", environment=environment)
                self.assertEqual(made.returncode, 0, made.stderr)
                self.assertEqual(status(f"http://127.0.0.1:{report}/api/v1/tokens", made.stdout.strip()), 200)
            finally:
                process.terminate()
                left = process.wait(timeout=30)
        self.assertEqual(left, 0)

    def wait_until_ready(self, process, port, log):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if status(f"http://127.0.0.1:{port}/readyz") == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.fail(f"weir is not ready: {Path(log).read_text()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with DIRECT.open(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
