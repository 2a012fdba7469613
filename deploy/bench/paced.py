#!/usr/bin/env python3
"""A registry for one OCI layout that sends no faster than a given rate, each connection by itself.

Takes: LAYOUT RATE_BYTES_PER_SECOND. Prints its port on the first line, then serves until it is killed.
Answers GET and HEAD of manifests (by tag or digest) and blobs (whole, or from an offset), as a registry does.
"""
import json
import os
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

PIECE = 128 * 1024
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # As registries do: on a connection used before, Nagle's algorithm and the peer's delayed acknowledgement cost 40 ms.
    disable_nagle_algorithm = True

    def do_HEAD(self):
        self.answer(head=True)

    def do_GET(self):
        self.answer(head=False)

    def answer(self, head):
        path = self.path.split("?")[0]
        if path == "/v2/":
            return self.head(200, 2, "application/json") or self.wfile.write(b"{}")
        kind, name = path.rsplit("/", 2)[1:]
        digest = self.server.tags.get(name, name)
        file = self.server.blobs / digest.removeprefix("sha256:")
        if not file.is_file():
            return self.head(404, 0, "application/json")
        media_type = "application/octet-stream" if kind == "blobs" else json.loads(file.read_bytes()).get("mediaType", OCI_MANIFEST)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        size = file.stat().st_size
        self.head(206 if start else 200, size - start, media_type, digest, f"bytes {start}-{size - 1}/{size}" if start else None)
        if not head:
            self.send_paced(file, start, size)

    def head(self, status, length, media_type, digest=None, content_range=None):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", media_type)
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def send_paced(self, file, start, size):
        began, sent = time.monotonic(), 0
        with open(file, "rb") as source:
            while start + sent < size:
                sent += os.sendfile(self.connection.fileno(), source.fileno(), start + sent, min(PIECE, size - start - sent))
                ahead = sent / self.server.rate - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512


def main():
    layout, rate = Path(sys.argv[1]), float(sys.argv[2])
    server = Server(("127.0.0.1", 0), Registry)
    server.blobs, server.rate = layout / "blobs" / "sha256", rate
    index = json.loads((layout / "index.json").read_bytes())
    server.tags = {m["annotations"]["org.opencontainers.image.ref.name"]: m["digest"] for m in index["manifests"] if m.get("annotations")}
    print(server.server_address[1], flush=True)
    server.serve_forever()


main()
