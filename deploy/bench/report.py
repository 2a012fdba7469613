#!/usr/bin/env python3
"""Measures the report of a weir over a large fleet: lists and statistics under load, console pages, memory, restart.

Takes: WEIR (the binary) DATA (a data directory that proxy/examples/report made) [SECONDS of load, 180] [JSON, a file for all figures].
       RATE (requests a second, 20) and CHURN (pods replaced a second, 5) from the environment.
Does:  starts weir over the data, plays the agents of its clusters, makes exceptions, asks for what report_mix.py says on a fixed
       beat whether or not answers come, opens console pages one after the other, kills weir and starts it again.
       Prints a table with the goals beside. What this weir does not have is left out with a word.
Leaves: the data directory with what weir wrote to it.
"""
import contextlib
import functools
import gzip
import http.client
import json
import math
import os
import queue
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import defaultdict
from pathlib import Path

# A bench leaves nothing beside itself.
sys.dont_write_bytecode = True
import report_mix  # noqa: E402

API = "/api/v1"
RATE = float(os.environ.get("RATE", "20"))
CHURN = float(os.environ.get("CHURN", "5"))
LIST_MS, PAGE_MS, PAGE_KB, MEMORY_MB, READY_S = 50, 80, 60, 600, 5
EXCEPTIONS = 200
# Pages of one kind that are opened.
OF_A_KIND = 20
WORKERS = 24


class Weir:
    """weir over the data directory; started, killed and started again."""

    def __init__(self, binary, data):
        self.binary, self.data, self.process = binary, data, None
        self.port = free_port()

    def start(self):
        empty = self.data / "no-feeds"
        empty.mkdir(exist_ok=True)
        feeds = self.data / "feeds"
        environment = {**os.environ, "WEIR_LISTEN__MIRROR": f"127.0.0.1:{free_port()}", "WEIR_LISTEN__REPORT": f"127.0.0.1:{self.port}",
                       "WEIR_ADVISORY__SOURCE": str(empty), "WEIR_ADVISORY__KEV": str(feeds / "kev.json"),
                       "WEIR_ADVISORY__EPSS": str(feeds / "epss.csv"), "WEIR_CLUSTER__KUBERNETES": "off", "WEIR_LOG__LEVEL": "error"}
        began = time.perf_counter()
        self.process = subprocess.Popen([self.binary, "serve", "--data", str(self.data)], env=environment, stdout=subprocess.DEVNULL)
        return began

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def get(self, path, timeout=120):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body

    def send(self, path, body, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", path, body, {"content-type": "application/json", **(headers or {})})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, answer

    def until(self, path, began, limit=180):
        """Seconds from `began` until the path answers with 200, and the answer."""
        while time.perf_counter() - began < limit:
            if self.process.poll() is not None:
                raise SystemExit(f"weir ended with {self.process.returncode}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, body = self.get(path)
                if status == 200:
                    return time.perf_counter() - began, body
            time.sleep(0.01)
        raise SystemExit(f"{path}: no answer within {limit} s")

    def settle(self):
        """Waits until it has had little to do for three seconds; a fleet with clusters is made anew every other second."""
        for _ in range(60):
            before = self.cpu()
            time.sleep(3)
            if self.cpu() - before < 0.6:
                return
        print("weir does not come to rest", flush=True)

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, line):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{line}:\s+(\d+)", status).group(1)) / 1000


class Agents(threading.Thread):
    """Plays every cluster's agent: tells that it is there, and replaces some pods by others."""

    def __init__(self, weir, world):
        super().__init__(daemon=True)
        self.weir, self.world, self.sequences, self.ended = weir, world, defaultdict(int), threading.Event()
        self.refused, self.replaced = 0, 0
        self.tokens = {cluster: self.token(cluster) for cluster in world["pods"]}

    def token(self, cluster):
        command = [self.weir.binary, "token", "create", "--role", "agent", "--cluster", cluster, "--data", str(self.weir.data)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def run(self):
        clusters = list(self.world["pods"])
        for cluster in clusters:
            self.tell(cluster, [])
        beat = 0
        while not self.ended.wait(1 / CHURN if CHURN else 10):
            cluster = clusters[beat % len(clusters)]
            self.tell(cluster, self.replacement(cluster, beat) if CHURN else [])
            beat += 1

    def replacement(self, cluster, beat):
        pods = self.world["pods"][cluster]
        at = beat // len(self.world["pods"]) % len(pods)
        old, new = pods[at], {**pods[at], "name": f"{pods[at]['name'][:40]}-{beat}", "uid": f"{pods[at]['uid'][:40]}-{beat}"}
        pods[at] = new
        self.replaced += 1
        gone = {"kind": "Pod", "namespace": old["namespace"], "name": old["name"]}
        return [{"change": "gone", "of": gone}, {"change": "set", "of": new}]

    def tell(self, cluster, changes):
        self.sequences[cluster] += 1
        batch = {"session": self.world["session"], "sequence": self.sequences[cluster], "changes": changes}
        headers = {"authorization": f"Bearer {self.tokens[cluster]}", "content-encoding": "gzip"}
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, answer = self.weir.send(f"{API}/agents/{cluster}/deltas", gzip.compress(json.dumps(batch).encode()), headers)
            if status != 200:
                self.refused += 1
                if self.refused == 1:
                    print(f"agents: {cluster}: {status} {answer[:300]}", flush=True)


class Load:
    """Requests on a fixed beat, each measured from when it was due to its last byte."""

    def __init__(self, weir, asked):
        self.weir, self.asked, self.due = weir, asked, queue.Queue()
        self.times, self.sizes, self.slow, self.wrong = defaultdict(list), defaultdict(list), [], defaultdict(int)
        self.later = defaultdict(int)

    def run(self, seconds):
        workers = [threading.Thread(target=self.work, daemon=True) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        began = time.perf_counter()
        for number in range(int(seconds * RATE)):
            due = began + number / RATE
            time.sleep(max(0, due - time.perf_counter()))
            self.due.put((due, *self.asked[number % len(self.asked)]))
        for _ in workers:
            self.due.put(None)
        for worker in workers:
            worker.join()

    def work(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.weir.port, timeout=60)
        while (item := self.due.get()) is not None:
            due, route, path = item
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.wrong[f"{route}: {type(error).__name__}"] += 1
                connection.close()
                continue
            took = (time.perf_counter() - due) * 1000
            if response.status != 200:
                self.wrong[f"{route}: {response.status} {path}"] += 1
                continue
            self.times[route].append(took)
            self.sizes[route].append(len(body))
            self.slow.append((took, path))
            # A list that goes on is read on, by and by: the next page takes the place of a request that is due anyway.
            cursor = re.search(rb'"next_cursor":"([^"]+)"', body[-400:] + body[:400])
            if cursor and not route.endswith("later pages") and self.later[route] < 40:
                self.later[route] += 1
                following = re.sub(r"&cursor=[^&]*", "", path) + ("&" if "?" in path else "?") + "cursor=" + urllib.parse.quote(cursor.group(1).decode())
                self.asked.append((f"{route.split(',')[0]}, later pages", following))


class Report:
    def __init__(self, weir, world, seconds):
        self.weir, self.world, self.seconds, self.rows, self.all = weir, world, seconds, [], {}

    def row(self, what, value, unit, goal=None, note=""):
        verdict = "" if goal is None else "met" if value <= goal else "missed"
        self.rows.append((what, f"{value:.3g} {unit}" + (f" {note}" if note else ""), "" if goal is None else f"<= {goal} {unit}", verdict))
        self.all[what] = value
        print(f"{what}: {value:.1f} {unit} {verdict} {note}".rstrip(), flush=True)

    @functools.cache
    def ask(self, path):
        return self.weir.get(path)

    def restart(self, what, goal):
        """Seconds from start until ready, and until the first list is whole."""
        began = self.weir.start()
        ready, _ = self.weir.until("/readyz", began)
        first, body = self.weir.until(self.first_list(), began)
        self.row(f"{what}: until ready", ready, "s", goal)
        self.row(f"{what}: until the first whole list", first, "s", None, f"of {json.loads(body).get('total', '?')}")

    def first_list(self):
        return f"{API}/{'repositories' if self.weir.get(f'{API}/repositories')[0] != 404 else 'images'}?limit=100"

    def except_some(self):
        """Sets exceptions of every scope, half of them on the vulnerabilities that most images have."""
        if self.weir.get(f"{API}/exceptions")[0] != 200:
            print("exceptions: left out, this weir does not have them", flush=True)
            return
        status, body = self.weir.get(f"{API}/vulnerabilities?sort=-images&limit={EXCEPTIONS // 2}")
        frequent = [item["id"] for item in json.loads(body)["items"]] if status == 200 else []
        names, times, refused = frequent + self.world["vulnerabilities"], [], 0
        for number in range(EXCEPTIONS):
            began = time.perf_counter()
            status, answer = self.weir.send(f"{API}/exceptions", json.dumps(self.exception(number, names)).encode())
            times.append((time.perf_counter() - began) * 1000)
            if status not in (200, 201):
                refused += 1
                print(f"exceptions: {status} {answer[:300]}" if refused == 1 else "", end="\n" if refused == 1 else "", flush=True)
        times.sort()
        self.row("setting an exception: p95", percentile(times, 0.95), "ms", None, f"p50 {percentile(times, 0.5):.3g}, max {times[-1]:.3g}, {EXCEPTIONS - refused} set")

    def exception(self, number, names):
        """The body of one exception; by its number it is of one scope or another, and one in twenty is of a whole repository."""
        places = list(self.world["pods"])
        scope = [{}, {"cluster": places[number % len(places)]}, {"repository": self.repository(number)}, {"namespace": f"team-{number % 120:03}"},
                 {"labels": ["tier=front"]}, {"image": self.world["images"][number % len(self.world["images"])]}][number % 6]
        if number % 20 == 19:
            return {"target": "repository", "kind": "accepted_risk", "reason": "It is taken out of use in January.", "scope": {"repository": self.repository(number)}}
        if number % 2:
            why = {"kind": "false_positive", "justification": "vulnerable_code_not_in_execute_path", "reason": "The affected function is never called."}
        else:
            why = {"kind": "accepted_risk", "reason": "Only reachable from inside.", "expire_on_fix": number % 8 == 0}
        return {"target": "vulnerability", "vulnerability": names[number % len(names)], "scope": scope, **why}

    def repository(self, number):
        return self.world["repositories"][number % len(self.world["repositories"])]

    def floor(self):
        """What an answer that costs nothing takes here on the load's beat: on a machine that others use, a processor that rests is slow to wake."""
        times = []
        for _ in range(100):
            time.sleep(1 / RATE)
            began = time.perf_counter()
            self.weir.get("/healthz")
            times.append((time.perf_counter() - began) * 1000)
        times.sort()
        self.row("/healthz on that beat, and nothing else: p95", percentile(times, 0.95), "ms", None, f"p50 {percentile(times, 0.5):.3g}, max {times[-1]:.3g}")

    def load(self):
        asked = report_mix.requests(self.world, API, self.ask)
        different = len(asked)
        cpu, load = self.weir.cpu(), Load(self.weir, asked)
        # What is asked once to learn what there is warms nothing that the first requests would not.
        load.run(self.seconds)
        share = (self.weir.cpu() - cpu) / self.seconds * 100
        for route in sorted(load.times):
            times, sizes = sorted(load.times[route]), load.sizes[route]
            p95 = percentile(times, 0.95)
            note = f"p50 {percentile(times, 0.5):.3g}, max {times[-1]:.3g}, {len(times)} requests, {statistics.mean(sizes) / 1000:.0f} KB"
            self.row(f"{route}: p95", p95, "ms", LIST_MS, note)
        times = sorted(time for times in load.times.values() for time in times)
        self.row("all lists and statistics: p95", percentile(times, 0.95), "ms", LIST_MS, f"p50 {percentile(times, 0.5):.3g}, max {times[-1]:.3g}, {len(times)} of {different} different requests")
        self.row("processor under that load", share, "% of one core")
        self.all["slowest"] = sorted(load.slow, reverse=True)[:60]
        self.all["wrong"] = dict(load.wrong)
        for what, count in list(load.wrong.items())[:20]:
            print(f"wrong: {what}: {count}", flush=True)

    def whole_list(self):
        """Every vulnerability as CSV, all pages in one answer."""
        began = time.perf_counter()
        status, body = self.weir.get(f"{API}/vulnerabilities?format=csv")
        if status == 200:
            self.row("every vulnerability as CSV", time.perf_counter() - began, "s", None, f"{body.count(b'CVE-')} ids, {len(body) / 1e6:.1f} MB")

    def pages(self):
        """Every console page that links lead to, some of each kind, one at a time."""
        if self.weir.get("/")[0] not in (200, 302, 303, 307, 308):
            print("console: left out, this weir does not have it", flush=True)
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.weir.port, timeout=60)
        kinds, waiting, seen = defaultdict(list), ["/"], {"/"}
        while waiting:
            path = waiting.pop(0)
            kind = report_mix.template(path)
            if len(kinds[kind]) >= OF_A_KIND:
                continue
            began = time.perf_counter()
            connection.request("GET", path, headers={"accept": "text/html", "accept-encoding": "gzip"})
            response = connection.getresponse()
            body = response.read()
            took = (time.perf_counter() - began) * 1000
            if response.status in (301, 302, 303, 307, 308):
                waiting.insert(0, response.headers["location"])
                continue
            if response.status != 200:
                print(f"page {path}: {response.status}", flush=True)
                continue
            head = sum(len(name) + len(value) + 4 for name, value in response.getheaders()) + 17
            kinds[kind].append((took, (len(body) + head) / 1000, path))
            if "html" in response.headers.get("content-type", ""):
                text = gzip.decompress(body) if response.headers.get("content-encoding") == "gzip" else body
                for link in re.findall(r'(?:href|src)="(/[^"#]*)"', text.decode()):
                    link = link.replace("&amp;", "&")
                    if link not in seen and not link.startswith(API) and "csv" not in link and "sign-out" not in link:
                        seen.add(link)
                        waiting.append(link)
        for kind, found in sorted(kinds.items()):
            if not found:
                continue
            times = sorted(took for took, _, _ in found)
            largest = max(found, key=lambda page: page[1])
            self.row(f"page {kind}: p95", percentile(times, 0.95), "ms", PAGE_MS, f"p50 {percentile(times, 0.5):.3g}, max {times[-1]:.3g}, {len(times)} pages")
            self.row(f"page {kind}: largest", largest[1], "KB", PAGE_KB, largest[2])
        pages = [page for found in kinds.values() for page in found]
        self.row("all pages: p95", percentile(sorted(page[0] for page in pages), 0.95), "ms", PAGE_MS, f"{len(pages)} pages")
        self.row("all pages: largest", max(page[1] for page in pages), "KB", PAGE_KB)

    def run(self):
        agents = Agents(self.weir, self.world)
        self.restart("first start", None)
        # What the first start has to do once (lists of exploited vulnerabilities, old events) is not measured.
        self.weir.settle()
        self.except_some()
        self.weir.kill()
        self.restart("start after kill -9", READY_S)
        self.row("memory at its peak while starting", self.weir.memory("VmHWM"), "MB", MEMORY_MB)
        self.weir.settle()
        self.row("memory at rest", self.weir.memory("VmRSS"), "MB", MEMORY_MB)
        self.floor()
        agents.start()
        # The first word of each agent is no pod replaced.
        time.sleep(3)
        before = self.weir.cpu()
        time.sleep(10)
        self.row(f"processor while {CHURN:g} pods a second are replaced", (self.weir.cpu() - before) * 10, "% of one core")
        self.load()
        self.row("memory at its peak", self.weir.memory("VmHWM"), "MB", MEMORY_MB)
        self.row("memory after the load", self.weir.memory("VmRSS"), "MB", MEMORY_MB)
        self.whole_list()
        self.pages()
        agents.ended.set()
        agents.join()
        print(f"agents: {agents.replaced} pods replaced, {agents.refused} batches refused", flush=True)
        self.weir.kill()
        self.restart("start after kill -9, again", READY_S)
        print("\n| what | measured | goal | |\n|---|---|---|---|")
        for row in self.rows:
            print("| " + " | ".join(row) + " |")


def percentile(times, part):
    return times[max(0, math.ceil(len(times) * part) - 1)]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def main():
    if not 3 <= len(sys.argv) <= 5:
        raise SystemExit(__doc__)
    data = Path(sys.argv[2])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 180
    world = json.loads((data / "world.json").read_bytes())
    weir = Weir(sys.argv[1], data)
    report = Report(weir, world, seconds)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before", flush=True)
    try:
        report.run()
    finally:
        print(f"load {os.getloadavg()[0]:.1f} after", flush=True)
        if weir.process and weir.process.poll() is None:
            weir.kill()
        if len(sys.argv) > 4:
            Path(sys.argv[4]).write_text(json.dumps(report.all, indent=1))


main()
