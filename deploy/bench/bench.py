#!/usr/bin/env python3
"""Measures weir beside its rivals, in the same run, on this machine, and prints ratios.

Takes: WEIR (the binary) LAYOUT (an OCI layout with tag 1 and a layer of at least 60 MB) SCAN (the layout that scan-image.py makes)
       [ROUNDS] [PART]; PART is one of cold, paced, warm, memory, scan, import: all of them without one.
       The part import reads the advisories in ../shared/advisories/osv beside the checkout, and is left out where they are not.
Starts everything on loopback ports in a temporary directory, ends what it started, and leaves nothing.
Every comparison runs its two sides in turn; medians and their ratio are printed.
"""
import contextlib
import hashlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
GIGABIT = 125_000_000
IMAGE = "library/bench"
ADVISORIES = Path(__file__).resolve().parents[2].parent / "shared" / "advisories" / "osv"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    for _ in range(1000):
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit(f"{process.args[0]} does not listen on {port}")


class Bench:
    def __init__(self, weir, layout, scanned, rounds):
        self.weir, self.layout, self.scanned, self.rounds = weir, Path(layout), Path(scanned), rounds
        self.work = Path(tempfile.mkdtemp(prefix="weir-bench-"))
        self.processes = []
        self.rows = []
        index = json.loads((self.layout / "index.json").read_bytes())
        self.manifest = next(m["digest"] for m in index["manifests"] if m["annotations"]["org.opencontainers.image.ref.name"] == "1")
        layers = json.loads(self.blob_file(self.manifest).read_bytes())["layers"]
        self.layer = max(layers, key=lambda layer: layer["size"])
        if self.layer["size"] < 60_000_000:
            raise SystemExit(f"the largest layer has {self.layer['size']} bytes; at least 60 MB are needed")

    def blob_file(self, digest):
        return self.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")

    # Processes -----------------------------------------------------------------------------------------------------

    def start(self, args, port, **options):
        process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        self.processes.append(process)
        wait_for_port(port, process)
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.processes.remove(process)

    def start_registry(self, data, upstream=None):
        port = free_port()
        config = self.work / f"registry-{port}.yml"
        proxy = f"proxy:\n  remoteurl: http://127.0.0.1:{upstream}\n" if upstream else ""
        config.write_text(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {data}}}\n"
                          f"http: {{addr: '127.0.0.1:{port}'}}\n{proxy}")
        return self.start(["docker-registry", "serve", str(config)], port), port

    def start_weir(self, upstream, data):
        port, report = free_port(), free_port()
        environment = os.environ | {
            "WEIR_LISTEN__MIRROR": f"127.0.0.1:{port}", "WEIR_LISTEN__REPORT": f"127.0.0.1:{report}",
            "WEIR_UPSTREAM__0__NAME": "docker.io", "WEIR_UPSTREAM__0__URL": f"http://127.0.0.1:{upstream}",
            "WEIR_ADVISORY__SOURCE": str(self.work), "WEIR_LOG__LEVEL": "error",
        }
        return self.start([self.weir, "serve", "--data", str(data)], port, env=environment), port, report

    def start_paced(self, rate):
        process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("paced.py")), str(self.layout), str(rate)], stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process, int(process.stdout.readline())

    # Requests ------------------------------------------------------------------------------------------------------

    @staticmethod
    def get(port, path, sink=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", path, headers={"Accept": "application/vnd.oci.image.manifest.v1+json, */*"})
        response = connection.getresponse()
        if sink is None:
            body = response.read()
        else:
            body, buffer = 0, bytearray(1 << 20)
            while count := response.readinto(buffer):
                body += count
                sink(buffer[:count])
        connection.close()
        if response.status != 200:
            raise SystemExit(f"{path}: {response.status} {body if sink is None else ''}")
        return body

    def pull_manifest(self, port):
        self.get(port, f"/v2/{IMAGE}/manifests/{self.manifest}")

    def pull_layer(self, port):
        """Seconds to pull the layer with curl, which does no more than receive it."""
        began = time.perf_counter()
        url = f"http://127.0.0.1:{port}/v2/{IMAGE}/blobs/{self.layer['digest']}"
        subprocess.run(["curl", "-sf", "-o", "/dev/null", url], check=True)
        return time.perf_counter() - began

    def wait_for_scan(self, report, digest):
        """The moment the layer's result can be read."""
        for _ in range(20_000):
            with contextlib.suppress(SystemExit, OSError):
                if json.loads(self.get(report, f"/api/v1/layers/{digest}"))["scan"]["status"] == "complete":
                    return time.perf_counter()
            time.sleep(0.003)
        raise SystemExit("the layer was not scanned within a minute")

    # Figures -------------------------------------------------------------------------------------------------------

    def record(self, what, ours, theirs, unit, goal, good, better="lower"):
        ratio = ours / theirs
        met = ratio <= good if better == "lower" else ratio >= good
        self.rows.append((what, f"{ours:.3g} {unit}", f"{theirs:.3g} {unit}", f"{ratio:.2f}", goal, "met" if met else "missed"))
        print(f"{what}: {ours:.3f} against {theirs:.3f} {unit}, {ratio:.2f} x (goal {goal}, {'met' if met else 'missed'})", flush=True)

    def record_absolute(self, what, value, unit, goal, limit, better="lower"):
        met = value <= limit if better == "lower" else value >= limit
        self.rows.append((what, f"{value:.3g} {unit}", "", "", goal, "met" if met else "missed"))
        print(f"{what}: {value:.1f} {unit} (goal {goal}, {'met' if met else 'missed'})", flush=True)

    def fresh(self, name):
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def cold(self, upstream):
        ours, theirs, cpu = [], [], []
        for _ in range(self.rounds):
            process, port = self.start_registry(self.fresh("proxy"), upstream)
            self.pull_manifest(port)
            theirs.append(self.pull_layer(port))
            self.stop(process)
            process, port, report = self.start_weir(upstream, self.fresh("weir"))
            self.pull_manifest(port)
            before = cpu_seconds(process.pid)
            ours.append(self.pull_layer(port))
            self.wait_for_scan(report, self.layer["digest"])
            cpu.append(cpu_seconds(process.pid) - before)
            self.stop(process)
        self.record("cold pull, scanning on, against docker-registry as proxy", median(ours), median(theirs), "s", "<= 1.0", 1.0)
        shell = [self.shell_cpu() for _ in range(self.rounds)]
        self.record("CPU of pull and scan, against gzip -dc | sha256sum and sha256sum", median(cpu), median(shell), "s", "<= 0.6", 0.6)

    def shell_cpu(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        file = self.blob_file(self.layer["digest"])
        subprocess.run(f"gzip -dc {file} | sha256sum; sha256sum {file}", shell=True, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def paced(self):
        process, upstream = self.start_paced(GIGABIT)
        ours, theirs, lag = [], [], []
        for _ in range(self.rounds):
            theirs.append(self.pull_layer(upstream))
            weir, port, report = self.start_weir(upstream, self.fresh("weir"))
            self.pull_manifest(port)
            ours.append(self.pull_layer(port))
            last_byte = time.perf_counter()
            lag.append((self.wait_for_scan(report, self.layer["digest"]) - last_byte) * 1000)
            self.stop(weir)
        self.stop(process)
        self.record("pull from an upstream held to 1 Gbit/s, against that upstream", median(ours), median(theirs), "s", "<= 1.02", 1.02)
        self.record_absolute("scan done after the last byte at 1 Gbit/s", median(lag), "ms", "<= 150 ms", 150)

    def warm(self, upstream):
        weir, port, _ = self.start_weir(upstream, self.fresh("weir"))
        self.pull_manifest(port)
        self.pull_layer(port)
        root = self.fresh("www")
        target = root / "v2" / IMAGE / "blobs" / self.layer["digest"]
        target.parent.mkdir(parents=True)
        shutil.copyfile(self.blob_file(self.layer["digest"]), target)
        nginx, nginx_port = self.start_nginx(root)
        path = f"/v2/{IMAGE}/blobs/{self.layer['digest']}"
        for connections in (1, 16):
            figures = {"weir": [], "registry": [], "nginx": []}
            for _ in range(self.rounds):
                for name, at in (("weir", port), ("registry", upstream), ("nginx", nginx_port)):
                    figures[name].append(self.wrk(at, path, connections))
            ours = median(figures["weir"])
            self.record(f"warm blob, {connections} connections, against docker-registry", ours, median(figures["registry"]), "MB/s", ">= 1.0", 1.0, "higher")
            self.record(f"warm blob, {connections} connections, against nginx", ours, median(figures["nginx"]), "MB/s", ">= 0.8", 0.8, "higher")
        self.stop(nginx)
        self.stop(weir)

    def start_nginx(self, root):
        port = free_port()
        config = self.work / "nginx.conf"
        config.write_text(f"daemon off; worker_processes 2; pid {self.work}/nginx.pid; error_log {self.work}/nginx.log;\n"
                          "events { worker_connections 512; }\n"
                          f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;\n"
                          f"  client_body_temp_path {self.work}/t1; proxy_temp_path {self.work}/t2; fastcgi_temp_path {self.work}/t3;\n"
                          f"  uwsgi_temp_path {self.work}/t4; scgi_temp_path {self.work}/t5;\n"
                          f"  server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n")
        # Its workers must be able to read a directory that belongs to whoever runs this.
        os.chmod(self.work, 0o755)
        return self.start(["nginx", "-c", str(config), "-p", str(self.work)], port), port

    @staticmethod
    def wrk(port, path, connections):
        threads = min(2, connections)
        output = subprocess.run(["wrk", f"-t{threads}", f"-c{connections}", "-d4s", "--timeout", "60s", f"http://127.0.0.1:{port}{path}"],
                                check=True, capture_output=True, text=True).stdout
        number, unit = re.search(r"Transfer/sec:\s+([\d.]+)(\wB)", output).groups()
        return float(number) * {"KB": 1e-3, "MB": 1, "GB": 1024}[unit]

    def memory(self):
        upstream, upstream_port = self.start_paced(40_000_000)
        weir, port, _ = self.start_weir(upstream_port, self.fresh("weir"))
        time.sleep(2)
        self.record_absolute("resident memory, idle", resident(weir.pid), "MB", "<= 60 MB", 60)
        self.pull_manifest(port)
        expected, wrong, peak = self.layer["digest"], [], [0]

        def follow():
            digest = hashlib.sha256()
            self.get(port, f"/v2/{IMAGE}/blobs/{expected}", digest.update)
            if "sha256:" + digest.hexdigest() != expected:
                wrong.append(1)

        followers = [threading.Thread(target=follow) for _ in range(200)]
        for follower in followers:
            follower.start()
        while any(follower.is_alive() for follower in followers):
            peak[0] = max(peak[0], resident(weir.pid))
            time.sleep(0.05)
        if wrong:
            raise SystemExit(f"{len(wrong)} of 200 followers got wrong bytes")
        self.record_absolute("resident memory, 200 followers of one blob", peak[0], "MB", "<= 120 MB", 120)
        self.stop(weir)
        self.stop(upstream)

    # Whole images ----------------------------------------------------------------------------------------------------

    def scan(self, upstream):
        """`weir scan` of an image on disk against the least that reading it takes, and a second image that shares four layers."""
        layers = self.scan_layers("1")
        nothing = self.fresh("no-advisories")
        command = [self.weir, "scan", f"oci:{self.scanned}:1", "--format", "json", "--advisories", str(nothing)]
        shell = ["sh", "-c", "".join(f"gzip -dc {self.scan_blob(layer['digest'])} | sha256sum;" for layer in layers)]
        ours, theirs = [], []
        for _ in range(self.rounds):
            theirs.append(self.timed(shell))
            ours.append(self.timed(command))
        megabytes = sum(layer["size"] for layer in layers) / 1e6
        self.record(f"CPU of a whole scan, {megabytes:.0f} MB, against gzip -dc | sha256sum", median(c for c, _ in ours), median(c for c, _ in theirs), "s", "<= 0.7", 0.7)
        self.record("wall of the same", median(w for _, w in ours), median(w for _, w in theirs), "s", "<= 0.45", 0.45)
        first, second = [], []
        for _ in range(self.rounds):
            weir, port, report = self.start_weir(upstream, self.fresh("weir"))
            first.append(self.pull_image(port, report, "1"))
            second.append(self.pull_image(port, report, "2"))
            self.stop(weir)
        self.record("a second image that shares four of five layers, against its first", median(second), median(first), "s", "<= 0.25", 0.25)

    def scan_blob(self, digest):
        return self.scanned / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def scan_manifest(self, tag):
        index = json.loads((self.scanned / "index.json").read_bytes())
        return next(m["digest"] for m in index["manifests"] if m["annotations"]["org.opencontainers.image.ref.name"] == tag)

    def scan_layers(self, tag):
        return json.loads(self.scan_blob(self.scan_manifest(tag)).read_bytes())["layers"]

    @staticmethod
    def timed(command):
        """CPU and wall seconds of a command and its children."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall

    def pull_image(self, port, report, tag):
        """Seconds from the first request until the image's result is complete, for a client that has nothing of it."""
        began, digest = time.perf_counter(), self.scan_manifest(tag)
        name = f"{IMAGE}-scan"
        self.get(port, f"/v2/{name}/manifests/{digest}")
        manifest = json.loads(self.scan_blob(digest).read_bytes())
        for blob in [manifest["config"], *manifest["layers"]]:
            subprocess.run(["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{port}/v2/{name}/blobs/{blob['digest']}"], check=True)
        for _ in range(20_000):
            with contextlib.suppress(SystemExit, OSError):
                if json.loads(self.get(report, f"/api/v1/images/{digest}/report"))["scan"]["status"] in ("complete", "partial"):
                    return time.perf_counter() - began
            time.sleep(0.003)
        raise SystemExit("the image was not scanned within a minute")

    # Advisories ------------------------------------------------------------------------------------------------------

    def import_advisories(self):
        """`weir advisories import` of every shared feed into a new data directory: records a second, and the most memory it held."""
        if not ADVISORIES.is_dir():
            print(f"import: left out, there is no {ADVISORIES}", flush=True)
            return
        files = 0
        for archive in ADVISORIES.glob("*/all.zip"):
            with zipfile.ZipFile(archive) as opened:
                files += len(opened.namelist())
        rates, peaks = [], []
        for _ in range(self.rounds):
            command = [self.weir, "advisories", "import", str(ADVISORIES), "--data", str(self.fresh("weir"))]
            began = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"the import ended with {process.returncode}")
            rates.append(files / wall)
            peaks.append(usage.ru_maxrss / 1024)
        self.record_absolute(f"import of {files} advisories", median(rates), "records/s", ">= 30,000 records/s", 30_000, "higher")
        self.record_absolute("the most memory of the same", median(peaks), "MB", "<= 150 MB", 150)

    def run(self, part):
        if part == "import":
            self.import_advisories()
            return
        registry_data = self.fresh("upstream")
        registry, upstream = self.start_registry(registry_data)
        subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{self.layout}:1", f"docker://127.0.0.1:{upstream}/{IMAGE}:1"], check=True)
        for tag in ("1", "2"):
            subprocess.run(["skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", f"oci:{self.scanned}:{tag}", f"docker://127.0.0.1:{upstream}/{IMAGE}-scan:{tag}"], check=True)
        print(f"layer of {self.layer['size'] / 1e6:.0f} MB, {self.rounds} rounds, {os.cpu_count()} processors", flush=True)
        parts = {"cold": lambda: self.cold(upstream), "paced": self.paced, "warm": lambda: self.warm(upstream), "memory": self.memory, "scan": lambda: self.scan(upstream), "import": self.import_advisories}
        for name, measure in parts.items():
            if part in (None, name):
                measure()
        self.stop(registry)
        print("\n| what | weir | rival | ratio | goal | |\n|---|---|---|---|---|---|")
        for row in self.rows:
            print("| " + " | ".join(row) + " |")

    def close(self):
        for process in list(self.processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.work, ignore_errors=True)


def median(values):
    return statistics.median(values)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def main():
    if not 4 <= len(sys.argv) <= 6:
        raise SystemExit(__doc__)
    rounds, part = int(sys.argv[4]) if len(sys.argv) > 4 else 5, sys.argv[5] if len(sys.argv) > 5 else None
    bench = Bench(*sys.argv[1:4], rounds)
    try:
        bench.run(part)
    finally:
        bench.close()


main()
