"""What exists twice is the same: plain manifests and chart, rights, versions, rules and dashboards, the table of values."""

import os
import re
import tempfile
import tomllib
import unittest
from pathlib import Path

import yaml

import table
import written
from rendering import (
    CHART,
    KUBERNETES,
    NEWEST,
    OLDEST,
    OVERLAYS,
    REPOSITORY,
    TOOLS,
    helm,
    kustomize,
    normal,
    objects,
    pick,
    run,
)


class Equal(unittest.TestCase):
    maxDiff = None

    def test_base_is_the_chart_with_its_defaults(self):
        self.same(kustomize("base"), helm())

    def test_overlays_are_the_chart_with_their_values(self):
        directories = {path.name for path in (KUBERNETES / "overlays").iterdir()}
        self.assertEqual(directories, set(OVERLAYS))
        for overlay, values in OVERLAYS.items():
            with self.subTest(overlay):
                self.same(kustomize(f"overlays/{overlay}"), helm(values))

    def same(self, plain, chart):
        plain, chart = normal(plain), normal(chart)
        # A release goes into a namespace that is there; `kubectl apply` brings it along.
        plain.pop(("Namespace", "weir"))
        self.assertEqual(sorted(plain), sorted(chart))
        for name, found in chart.items():
            self.assertEqual(plain[name], found, name)

    def test_the_namespace_is_restricted_but_where_nodes_need_the_host(self):
        for directory in ("base", *(f"overlays/{overlay}" for overlay in OVERLAYS)):
            labels = pick(kustomize(directory), "Namespace")["metadata"]["labels"]
            enforced = labels["pod-security.kubernetes.io/enforce"]
            self.assertEqual(enforced, "privileged" if "nodes" in directory else "restricted", directory)
            self.assertEqual(labels["pod-security.kubernetes.io/audit"], "restricted", directory)

    def test_configuration_is_mounted_by_the_name_that_kustomize_gives_it(self):
        found = kustomize("overlays/nodes")
        names = {each["metadata"]["name"] for each in found if each["kind"] == "ConfigMap"}
        self.assertEqual(len(names), 2)
        for kind in ("StatefulSet", "DaemonSet"):
            volumes = pick(found, kind)["spec"]["template"]["spec"]["volumes"]
            mounted = {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
            self.assertTrue(mounted and mounted <= names, f"{kind}: {mounted} of {names}")

    def test_the_chart_grants_what_rbac_yaml_grants(self):
        plain = objects((KUBERNETES / "rbac.yaml").read_text())
        for found in (helm(), helm("agent.yaml")):
            self.assertEqual(pick(found, "ClusterRole")["rules"], pick(plain, "ClusterRole")["rules"])
            binding = pick(found, "ClusterRoleBinding")
            self.assertEqual(binding["roleRef"], pick(plain, "ClusterRoleBinding")["roleRef"])
            self.assertEqual(binding["subjects"], pick(plain, "ClusterRoleBinding")["subjects"])

    def test_the_chart_is_of_weir_s_version(self):
        workspace = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        self.assertEqual(chart["version"], workspace["workspace"]["package"]["version"])
        self.assertEqual(chart["appVersion"], chart["version"])

    def test_what_is_written_from_the_chart_is_as_it_was_written(self):
        before = self.made()
        try:
            written.main()
            after = self.made()
        finally:
            for path, text in before.items():
                path.write_text(text)
        stale = [str(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        self.assertEqual(stale, [], "write them anew: WEIR_UPDATE_DOCS=1 deploy/kubernetes/tests/run.sh")

    @staticmethod
    def made():
        roots = [KUBERNETES / "base", KUBERNETES / "overlays", CHART / "files"]
        files = [path for root in roots for path in root.rglob("*") if path.is_file()]
        return {path: path.read_text() for path in [table.PAGE, *files]}

    def test_rules_and_dashboards_are_those_of_observe(self):
        (rules,) = written.observed("rules")
        dashboards = {f"weir-{path.name}": path.read_text().strip() for path in written.observed("dashboards")}
        self.assertTrue(dashboards)
        found = helm(sets=("monitoring.rules.enabled=true", "monitoring.dashboards.enabled=true"))
        self.assertEqual(pick(found, "PrometheusRule")["spec"], yaml.safe_load(rules.read_text()))
        maps = [each for each in found if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"]
        self.assertEqual({name: text.strip() for each in maps for name, text in each["data"].items()}, dashboards)

    def test_links_of_alerts_lead_to_the_site(self):
        (rules,) = written.observed("rules")
        plain = [rule["annotations"] for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"] if "alert" in rule]
        groups = pick(helm("monitoring.yaml"), "PrometheusRule")["spec"]["groups"]
        told = [rule["annotations"] for group in groups for rule in group["rules"] if "alert" in rule]
        self.assertEqual(len(told), len(plain))
        for before, after in zip(plain, told, strict=True):
            self.assertEqual(after["runbook_url"], "https://git.example.org/weir/" + before["runbook_url"])
            if "console_url" in before:
                self.assertEqual(after["console_url"], "https://weir.example.org" + before["console_url"])

    def test_documents_claim_the_versions_that_are_tested(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        self.assertEqual(chart["kubeVersion"], f">={OLDEST}.0-0")
        self.assertTrue(re.search(rf"Kubernetes {re.escape(OLDEST)} to {re.escape(NEWEST)}", table.PAGE.read_text()))

    def test_the_page_s_kustomization_replaces_the_settings(self):
        (block,) = re.findall(r"```yaml\n(resources:.*?behavior: replace.*?)```", table.PAGE.read_text(), re.S)
        with tempfile.TemporaryDirectory() as directory:
            # The paths of kustomizations are relative, and so is the link that stands for the checkout.
            place = os.path.relpath(REPOSITORY, os.path.realpath(directory))
            Path(directory, "kustomization.yaml").write_text(block.replace("[weir/", f"[{place}/"))
            Path(directory, "weir.toml").write_text("[log]\nlevel = \"warn\"\n")
            found = normal(objects(run(TOOLS / "kubectl", "kustomize", directory)))
        self.assertEqual(found[("ConfigMap", "weir")]["data"]["weir.toml"], {"log": {"level": "warn"}})
        self.assertIn(("DaemonSet", "weir-node"), found)
