"""Every rendering, as the oldest and the newest API server would take it: the API's own schemas, unknown fields refused."""

import copy
import functools
import json
import subprocess
import sys
import unittest

import kubernetes_validate
from cloudcoil.models.prometheus_operator import v1 as operator

from rendering import (
    CHART,
    KUBERNETES,
    NEWEST,
    OLDEST,
    OVERLAYS,
    TOOLS,
    VALUES,
    helm,
    key,
    kustomize,
    pick,
    renderings,
    run,
    value_files,
)

# Objects of Prometheus' operator have schemas of their own.
OPERATOR = {"ServiceMonitor": operator.ServiceMonitor, "PrometheusRule": operator.PrometheusRule}


# It reads the definitions of a whole API, tens of megabytes, for each object anew.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


def check(found, version):
    model = OPERATOR.get(found["kind"])
    if not model:
        kubernetes_validate.validate(found, version, strict=True)
        return
    # The models pass over what they do not know: what comes out has to be what went in.
    understood = model.model_validate(found).model_dump(mode="json", by_alias=True, exclude_unset=True)
    if understood != found:
        raise ValueError(f"{key(found)} has fields that the operator does not know: {found} {understood}")


class Schema(unittest.TestCase):
    def test_every_rendering_is_valid(self):
        for version in (OLDEST, NEWEST):
            seen = set()
            plain = {name: kustomize(name) for name in ("base", *(f"overlays/{overlay}" for overlay in OVERLAYS))}
            for name, found in (renderings(kubernetes=version) | plain).items():
                self.assertTrue(found, name)
                for each in found:
                    # Most renderings have most objects in common.
                    text = json.dumps(each, sort_keys=True)
                    if text not in seen:
                        seen.add(text)
                        with self.subTest(f"{name} {key(each)} {version}"):
                            check(each, version)

    def test_names_are_told_apart(self):
        for name, found in renderings().items():
            names = [key(each) for each in found]
            self.assertEqual(len(names), len(set(names)), name)

    def test_a_mistake_is_found(self):
        service = pick(helm(), "Service", "weir-mirror")
        monitor = pick(helm("tls.yaml"), "ServiceMonitor")
        for found, change in [
            (service, lambda each: each["spec"].update(clusterIp="10.0.0.1")),
            (service, lambda each: each["spec"].update(ports="5000")),
            (monitor, lambda each: each["spec"]["endpoints"][0].update(intervall="3s")),
            (monitor, lambda each: each["spec"]["endpoints"][0].update(scheme="gopher")),
        ]:
            wrong = copy.deepcopy(found)
            change(wrong)
            for version in (OLDEST, NEWEST):
                with self.assertRaises(Exception):
                    check(wrong, version)

    def test_helm_s_own_lint_is_content(self):
        for file in value_files():
            run(TOOLS / "helm", "lint", "--strict", "--quiet", "--kube-version", NEWEST, "--values", VALUES / file, CHART)

    def test_files_are_tidy_yaml(self):
        rules = "{extends: default, rules: {line-length: {max: 160}, document-start: disable, braces: disable, comments: disable}}"
        places = [KUBERNETES / name for name in ("base", "overlays", "rbac.yaml", "chart/values.yaml", "chart/Chart.yaml", "tests/values")]
        done = subprocess.run([sys.executable, "-m", "yamllint", "--strict", "-d", rules, *places], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
