"""What is asked of a weir whose report is measured: requests over every list, with filters in pairs, every sort, and later pages.

Owns which requests there are. They follow from the names in `world.json` and a fixed seed alone, so two runs ask for the same.
"""
import itertools
import random
import re
import urllib.parse

LISTS = ["repositories", "images", "vulnerabilities"]
SUMS = ["statistics", "statistics/facets"]


def filters(world, dice):
    """Every parameter of the filter with values that mean few and many."""
    clusters, pods = list(world["pods"]), [pod for pods in world["pods"].values() for pod in pods]
    namespaces = sorted({pod["namespace"] for pod in pods})
    return {
        "cluster": dice.sample(clusters, 3),
        "namespace": dice.sample(namespaces, 4),
        "label": ["tier=front", "team=team-7", "env", "app.kubernetes.io/managed-by=Helm"],
        "repository": dice.sample(world["repositories"], 4),
        "image_status": ["running", "idle", "retired"],
        "scan_status": ["complete", "partial", "failed", "queued", "never_seen"],
        "severity": ["critical", "high", "medium", "unknown"],
        "fixable": ["true", "false"],
        "known_exploited": ["true", "false"],
        "except": ["active", "excepted", "all"],
        "q": ["checkout", "CVE-2021", "lib", "team-1", dice.choice(world["vulnerabilities"]), "nothing-has-this-name"],
        "pulled": ["true", "false"],
        "ran": ["true", "false"],
    }


def queries(world, seed=1):
    """Query strings: none, each value of each parameter, a choice of values for each pair of parameters, some triples, some repetitions."""
    dice = random.Random(seed)
    known = filters(world, dice)
    chosen = [[]]
    chosen += [[(name, value)] for name, values in known.items() for value in values]
    for names in itertools.combinations(known, 2):
        chosen += [[(name, dice.choice(known[name])) for name in names] for _ in range(2)]
    for names in dice.sample(list(itertools.combinations(known, 3)), 60):
        chosen.append([(name, dice.choice(known[name])) for name in names])
    chosen.append([("severity", "critical"), ("severity", "high"), *(("cluster", cluster) for cluster in known["cluster"])])
    chosen.append([("namespace", namespace) for namespace in known["namespace"]])
    return [urllib.parse.urlencode(pairs) for pairs in chosen]


def requests(world, api, ask):
    """(route, path) in the order to be asked; of what the server has, as `ask(path)` (status and body) tells."""
    dice = random.Random(2)
    asked, all_queries = [], queries(world)
    for route in [*LISTS, *SUMS]:
        if ask(f"{api}/{route}")[0] != 200:
            print(f"{route}: left out, this weir does not have it", flush=True)
            continue
        usable = [query for query in all_queries if is_known(ask, api, route, query)]
        asked += [(route, f"{api}/{route}?{query}") for query in usable]
        for sort in orders(ask, f"{api}/{route}") if route in LISTS else []:
            asked += [(f"{route}, sorted", f"{api}/{route}?sort={sort}&{query}") for query in ["", *dice.sample(usable, 3)]]
    asked += [route for route in single(world, api, dice) if ask(route[1])[0] == 200]
    dice.shuffle(asked)
    return asked


def orders(ask, path):
    """Every order of a list, both ways: the refusal of one that is none names them."""
    status, body = ask(f"{path}?sort=none-such")
    named = re.search(rb"expected one of ([a-z_, ]+),", body) if status == 400 else None
    if not named:
        print(f"{path}: no orders known", flush=True)
        return []
    return [f"{sign}{name.strip()}" for name in named.group(1).decode().split(",") for sign in ("", "-")]


def is_known(ask, api, route, query):
    """Whether the server takes these parameters here; asked once for each of them."""
    first = "limit=1&" if route in LISTS else ""
    return all(ask(f"{api}/{route}?{first}{part}")[0] == 200 for part in query.split("&"))


def single(world, api, dice):
    """Requests about one thing, and the lists that the filter is not for."""
    found = []
    for digest in dice.sample(world["images"], 60):
        found += [(f"images/{{digest}}/{tab}".rstrip("/"), f"{api}/images/{digest}/{tab}".rstrip("/"))
                  for tab in ["", "vulnerabilities", "packages", "layers", "resources", "history"]]
    found += [("repositories/{name}", f"{api}/repositories/{name}") for name in dice.sample(world["repositories"], 40)]
    found += [("vulnerabilities/{id}", f"{api}/vulnerabilities/{name}") for name in dice.sample(world["vulnerabilities"], 60)]
    found += [("compare", f"{api}/compare?a={a}&b={b}") for a, b in dice.sample(world["pairs"], min(30, len(world["pairs"])))]
    for route in ["events", "events?limit=1000", "exceptions", "exceptions?state=active", "audit", "clusters", "resources", "unresolved", "advisories"]:
        found += [(route.split("?")[0], f"{api}/{route}")] * 10
    return found


def template(path):
    """A page's path with places for names, to tell pages of one kind."""
    path = re.sub(r"(sha256(:|%3A)[0-9a-f]{64})", "{digest}", path.split("?")[0], flags=re.I)
    path = re.sub(r"/((CVE|GHSA|PYSEC|GO)-[^/]+|[0-9]+)(?=/|$)", "/{id}", path)
    return re.sub(r"registry\.example.*", "{name}", path)
