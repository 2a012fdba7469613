"""Values: each one does something, wrong ones are refused with a reason, and the settings are weir's own."""

import copy
import json
import os
import re
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from rendering import CHART, REPOSITORY, VALUES, Refused, helm, helm_text, normal, value_files

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# What the chart sets by itself.
OWN = {"listen.mirror", "listen.report", "listen.tls.certificate", "listen.tls.key", "listen.tls.client_ca", "data.directory"}
# What Helm itself passes to every chart.
HELM = {"global"}


def leaves(schema, path=()):
    """Each value of a schema; what lists hold is named by the list's name and `[]`."""
    if schema.get("type") == "array" and "properties" in schema.get("items", {}):
        yield from leaves(schema["items"], (*path[:-1], path[-1] + "[]"))
    elif "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from leaves(inner, (*path, name))
    else:
        yield path


def places(values, path):
    """The tables in `values` that hold the last part of a path."""
    if not path or not isinstance(values, dict):
        return []
    name = path[0].removesuffix("[]")
    if name not in values:
        return []
    if len(path) == 1:
        return [values]
    inner = values[name]
    return [place for each in (inner if isinstance(inner, list) else [inner]) for place in places(each, path[1:])]


class Values(unittest.TestCase):
    maxDiff = None

    def test_each_value_is_tried_and_does_something(self):
        files = {name: yaml.safe_load((VALUES / name).read_text()) for name in value_files()}
        paths = [path for path in leaves(SCHEMA) if path[0] not in HELM]
        with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(os.cpu_count()) as pool:
            dead = list(pool.map(lambda path: self.without(path, files, Path(directory)), paths))
        self.assertEqual([reason for reason in dead if reason], [])

    @staticmethod
    def without(path, files, directory):
        """Renders a file that sets the value with and without it; why that shows nothing, if it does not."""
        name = ".".join(path)
        setting = [file for file, values in files.items() if places(values, path)]
        if not setting:
            return f"{name}: no file in tests/values sets it"
        for file in setting:
            values = copy.deepcopy(files[file])
            for place in places(values, path):
                del place[path[-1]]
            fewer = directory / f"{name}-{file}"
            fewer.write_text(yaml.safe_dump(values))
            try:
                text = helm_text(fewer)
            except Refused:
                # It was needed there: that is something, too.
                return None
            if text != helm_text(file):
                return None
        return f"{name}: {setting} render the same without it"

    def test_defaults_and_schema_name_the_same_values(self):
        defaults = yaml.safe_load((CHART / "values.yaml").read_text())
        for path in leaves(SCHEMA):
            if path[0] not in HELM | {"config"}:
                self.assertEqual(len(places(defaults, path)), 1, f"values.yaml lacks {'.'.join(path)}")
        # The other way round is Helm's: it holds values.yaml against the schema as well.
        helm()

    def test_the_settings_are_weir_s(self):
        section, documented = None, set()
        for line in (REPOSITORY / "docs" / "configuration.md").read_text().splitlines():
            if heading := re.match(r"## `(\[+)(.+?)\]+`", line):
                section = heading.group(2) + ("[]" if heading.group(1) == "[[" else "")
            elif section and (row := re.match(r"\| `([a-z_]+)` \|", line)):
                documented.add(f"{section}.{row.group(1)}")
        self.assertIn("upstream[].tag_ttl", documented)
        known = {".".join(path[1:]) for path in leaves(SCHEMA) if path[0] == "config"}
        self.assertEqual(known, documented - OWN)

    def test_wrong_values_are_refused(self):
        for pairs, reason in REFUSED:
            with self.subTest(pairs), self.assertRaises(Refused) as refused:
                helm(sets=tuple(pairs.split(" & ")))
            self.assertIn(reason, str(refused.exception), pairs)

    def test_an_older_kubernetes_is_refused(self):
        with self.assertRaises(Refused) as refused:
            helm(kubernetes="1.27")
        self.assertIn("incompatible", str(refused.exception))

    def test_two_releases_stand_side_by_side(self):
        first, second = normal(helm(release="weir")), normal(helm(release="blue"))
        self.assertFalse(first.keys() & second.keys())
        self.assertIn(("StatefulSet", "blue-weir"), second)

    def test_only_leaves_out_what_starts_weir_and_pods(self):
        toml = next(each["data"]["weir.toml"] for each in normal(helm("node-only.yaml")).values() if each["kind"] == "ConfigMap")
        self.assertEqual([upstream["name"] for upstream in toml["upstream"]], ["docker.io"])
        everything = normal(helm("nodes.yaml", sets=("node.only=true",)))[("ConfigMap", "weir-node")]["data"]["weir.toml"]
        names = [upstream["name"] for upstream in everything["upstream"]]
        self.assertEqual(names, ["docker.io", "quay.io", "gcr.io", "public.ecr.aws", "mcr.microsoft.com"])
        own = normal(helm("image.yaml", sets=("node.enabled=true", "node.only=true")))[("ConfigMap", "weir-node")]
        self.assertIn({"name": "ghcr.io"}, own["data"]["weir.toml"]["upstream"])

    def test_the_budget_follows_the_volume(self):
        budget = lambda size: normal(helm(sets=(f'persistence.size="{size}"',)))[("ConfigMap", "weir")]["data"]["weir.toml"]["data"]["blob_budget"]
        self.assertEqual([budget(size) for size in ("100Gi", "1Gi", "2Ti")], ["81920MiB", "819MiB", "1638GiB"])

    def test_notes_say_how_to_sign_in(self):
        for sets, words in [
            ((), ["weir token create --role administrator", "http://localhost:8080/sign-in", "port-forward service/weir-report", "node.enabled=true", "data-weir-0"]),
            (("tls.secretName=\"t\"",), ["https://localhost:8080/sign-in"]),
            (("ingress.enabled=true", 'ingress.host="weir.example.org"'), ["http://weir.example.org/sign-in", "WARNING"]),
            (("node.enabled=true", "node.removeOnExit=false"), ["the address of service weir-mirror", "WARNING", "logs daemonset/weir-node"]),
        ]:
            notes = self.notes(sets)
            for word in words:
                self.assertIn(word, notes)
        self.assertNotIn("WARNING", self.notes(()))
        self.assertIn("as east to https://weir.example.org", self.notes((), "agent.yaml"))

    @staticmethod
    def notes(sets, *values):
        """Only an installation shows notes; a template beside them, in a copy of the chart, includes them."""
        with tempfile.TemporaryDirectory() as directory:
            outer = Path(directory) / "copy"
            for path in CHART.rglob("*"):
                if path.is_file():
                    target = outer / path.relative_to(CHART)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(path.read_bytes())
            shown = 'kind: ConfigMap\nmetadata: {name: notes}\ndata:\n  notes: |\n    {{- include "weir/templates/NOTES.txt" . | nindent 4 }}\n'
            (outer / "templates" / "notes.yaml").write_text(shown)
            return next(each for each in helm(*values, sets=sets, chart=outer) if each["metadata"]["name"] == "notes")["data"]["notes"]


# Pairs as for --set-json, and what the refusal has to say.
REFUSED = [
    ("confg={}", "Additional property confg is not allowed"),
    ('config.data={"blob_buget":"1GiB"}', "Additional property blob_buget is not allowed"),
    ('config.listen={"report":"0.0.0.0:80"}', "Additional property listen is not allowed"),
    ('config.upstream=[{"nam":"docker.io"}]', "name is required"),
    ('config.upstream=[{"name":"docker.io","password":"x"}]', "Additional property password is not allowed"),
    ('config.scan.fetch_concurrency="four"', "Expected: integer"),
    ('config.auth.anonymous="everyone"', "must be one of the following"),
    ('config.report.idle_after="soon"', "Does not match pattern"),
    ("replicas=3", "Additional property replicas is not allowed"),
    ('mode="both"', "must be one of the following"),
    ('mode="agent"', "agent.cluster"),
    ('mode="agent" & agent.cluster="a" & agent.tokenSecret.name="t" & agent.report="http://weir.example.org"', "agent.report"),
    ('mode="node"', "node.mirror"),
    ('image.digest="sha256:12"', "image.digest"),
    ("mirror.service.port=0", "mirror.service.port"),
    ('mirror.service.type="ExternalName"', "mirror.service.type"),
    ('persistence.size="big"', "persistence.size"),
    ('persistence.size="500G"', "set config.data.blob_budget"),
    ("podDisruptionBudget.maxUnavailable=2", "podDisruptionBudget.maxUnavailable"),
    ("terminationGracePeriodSeconds=5", "terminationGracePeriodSeconds"),
    ("networkPolicy.dnsPorts=[]", "networkPolicy.dnsPorts"),
    ("ingress.enabled=true", "ingress.host"),
    ('ingress.enabled=true & ingress.host="a.example" & config.auth.anonymous="administrator"', "everyone who reaches the ingress"),
    ("config.auth.protect_metrics=true & monitoring.serviceMonitor.enabled=true", "tokenSecret.name"),
    ('node.distribution="talos"', "node.distribution"),
    ('node.enabled=true & node.distribution="custom"', "node.paths.config"),
    ('node.enabled=true & tls.secretName="t"', "a URL that the certificate is for"),
    ('node.enabled=true & node.report.url="https://weir.example.org"', "node.report.tokenSecret.name"),
    ('node.enabled=true & node.report.url="http://weir.example.org"', "node.report.url"),
    ('node.enabled=true & node.only=true & config.upstream=[{"name":"ghcr.io"}]', "no registry is left"),
]
