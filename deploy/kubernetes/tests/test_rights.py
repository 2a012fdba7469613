"""What the pods may ask of the API server, and who may talk to whom: stated whole, so that nothing is added unseen."""

import unittest

from rendering import helm, key, pick, pod_specs, renderings

DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
OUT = {"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}


def labels(component, release="weir"):
    return {
        "matchLabels": {
            "app.kubernetes.io/name": "weir",
            "app.kubernetes.io/instance": release,
            "app.kubernetes.io/component": component,
        }
    }


def tcp(port):
    return [{"port": port, "protocol": "TCP"}]


class Rights(unittest.TestCase):
    maxDiff = None

    def test_list_and_watch_of_what_is_shown_and_nothing_else(self):
        for name, found in renderings().items():
            kinds = {each["kind"] for each in found}
            self.assertFalse(kinds & {"Role", "RoleBinding", "Secret"}, name)
            granted = {
                (group, resource, verb)
                for each in found
                if each["kind"] == "ClusterRole"
                for rule in each["rules"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            }
            expected = {
                (group, resource, verb)
                for group, resources in {
                    "": ["pods", "nodes"],
                    "apps": ["replicasets", "deployments", "statefulsets", "daemonsets"],
                    "batch": ["jobs", "cronjobs"],
                    "argoproj.io": ["rollouts"],
                }.items()
                for resource in resources
                for verb in ("list", "watch")
            }
            self.assertIn(granted, (set(), expected), name)

    def test_tokens_are_mounted_where_a_cluster_is_watched_alone(self):
        for name, found in renderings().items():
            rights = any(each["kind"] == "ClusterRole" for each in found)
            for (kind, _), spec in pod_specs(found):
                watches = kind != "DaemonSet" and (rights or name == "rights-elsewhere.yaml")
                self.assertEqual(spec["automountServiceAccountToken"], watches, f"{name} {kind}")
            for each in found:
                if each["kind"] == "ServiceAccount":
                    self.assertFalse(each["automountServiceAccountToken"], name)

    def test_the_binding_is_of_the_account_that_the_pod_runs_as(self):
        for values in ("place.yaml", "agent-full.yaml", "agent.yaml"):
            found = helm(values, namespace="elsewhere", release="other")
            (subject,) = pick(found, "ClusterRoleBinding")["subjects"]
            spec = next(spec for (kind, _), spec in pod_specs(found) if kind != "DaemonSet")
            self.assertEqual((subject["name"], subject["namespace"]), (spec["serviceAccountName"], "elsewhere"), values)

    def test_the_server_s_policy(self):
        policy = pick(helm(), "NetworkPolicy")["spec"]
        prometheus = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
        }
        self.assertEqual(
            policy,
            {
                "podSelector": labels("server"),
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"ports": tcp(5000)}, {"ports": tcp(8080), "from": [{"podSelector": {}}, prometheus]}],
                "egress": [DNS, OUT],
            },
        )

    def test_the_server_s_policy_with_named_peers(self):
        policy = pick(helm("network.yaml"), "NetworkPolicy")["spec"]
        namespace = lambda name: {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        self.assertEqual(
            policy["ingress"],
            [
                {"ports": tcp(5000), "from": [{"ipBlock": {"cidr": "10.0.0.0/16"}}]},
                {
                    "ports": tcp(8080),
                    "from": [{"podSelector": {}}, namespace("security"), namespace("openshift-monitoring"), {"ipBlock": {"cidr": "10.1.0.0/16"}}],
                },
            ],
        )
        self.assertEqual([port["port"] for rule in policy["egress"] for port in rule["ports"]], [53, 53, 5353, 5353, 443, 3128])

    def test_an_ingress_opens_the_report_to_its_controller(self):
        peers = pick(helm("console.yaml"), "NetworkPolicy")["spec"]["ingress"][1]["from"]
        self.assertIn({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}, peers)
        self.assertNotIn("ingress", str(pick(helm(), "NetworkPolicy")["spec"]["ingress"][1]["from"]))

    def test_the_nodes_policy(self):
        policy = pick(helm("nodes.yaml"), "NetworkPolicy", "weir-node")["spec"]
        to_weir = {"ports": tcp(5000) + tcp(8080), "to": [{"podSelector": labels("server")}]}
        self.assertEqual(
            policy, {"podSelector": labels("node"), "policyTypes": ["Ingress", "Egress"], "egress": [DNS, to_weir]}
        )
        elsewhere = pick(helm("node-only.yaml"), "NetworkPolicy")["spec"]
        self.assertEqual(elsewhere["egress"], [DNS, {"ports": tcp(5000) + tcp(443)}])

    def test_the_agent_s_policy(self):
        policy = pick(helm("agent.yaml"), "NetworkPolicy")["spec"]
        self.assertEqual(
            policy, {"podSelector": labels("agent"), "policyTypes": ["Ingress", "Egress"], "egress": [DNS, OUT]}
        )

    def test_every_pod_is_under_a_policy(self):
        for name, found in renderings().items():
            selectors = [each["spec"]["podSelector"]["matchLabels"] for each in found if each["kind"] == "NetworkPolicy"]
            if name == "least.yaml":
                self.assertEqual(selectors, [])
                continue
            for each in found:
                if key(each)[0] in ("StatefulSet", "DaemonSet", "Deployment"):
                    pods = each["spec"]["template"]["metadata"]["labels"].items()
                    under = [selector for selector in selectors if selector.items() <= pods]
                    self.assertEqual(len(under), 1, f"{name} {key(each)}")

    def test_services_and_the_monitor_select_what_is_there(self):
        found = helm("monitoring.yaml")
        pods = pick(found, "StatefulSet")["spec"]["template"]
        ports = {port["name"]: port["containerPort"] for port in pods["spec"]["containers"][0]["ports"]}
        self.assertEqual(ports, {"mirror": 5000, "report": 8080})
        services = [each for each in found if each["kind"] == "Service"]
        for service in services:
            self.assertLessEqual(service["spec"]["selector"].items(), pods["metadata"]["labels"].items())
            self.assertIn(service["spec"]["ports"][0]["targetPort"], ports)
        monitor = pick(found, "ServiceMonitor")["spec"]
        chosen = [each for each in services if monitor["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()]
        self.assertEqual([key(each)[1] for each in chosen], ["weir-report"])
        self.assertEqual(monitor["endpoints"][0]["port"], chosen[0]["spec"]["ports"][0]["name"])
