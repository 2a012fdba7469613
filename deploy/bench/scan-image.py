#!/usr/bin/env python3
"""Makes the image whose whole scan is measured: the demo image's deb, PyPI and npm layers, and one of jars and Go programs.

Takes:  DEMO (the demo image's OCI layout) LAYOUT (where to write) CACHE (where Debian's packages are kept).
Does:   downloads the packages below with apt-get, unpacks them, packs one layer with gzip.
Leaves: LAYOUT with tag "1", of five layers, and tag "2", which shares the lower four and has another fifth.
"""
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGES = ["prometheus", "docker-registry", "umoci", "groovy", "libnetty-java", "libbcprov-java", "libspring-core-java",
            "libjackson2-databind-java", "liblog4j2-java", "libguava-java"]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAG = "org.opencontainers.image.ref.name"
INDEX = "application/vnd.oci.image.index.v1+json"


class Layout:
    def __init__(self, path):
        self.path = Path(path)
        self.blobs = self.path / "blobs" / "sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)

    def store(self, media_type, content):
        digest = hashlib.sha256(content).hexdigest()
        (self.blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}

    def load(self, digest):
        return json.loads((self.blobs / digest.removeprefix("sha256:")).read_bytes())

    def tagged(self, tag):
        index = json.loads((self.path / "index.json").read_bytes())
        return next(entry for entry in index["manifests"] if entry.get("annotations", {}).get(TAG) == tag)


def packed(write):
    """A layer as its gzip bytes and the digest of its tar."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        write(archive)
    return gzip.compress(tar.getvalue(), 6, mtime=0), "sha256:" + hashlib.sha256(tar.getvalue()).hexdigest()


def programs(cache):
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tree:
        for name in PACKAGES:
            if not list(cache.glob(f"{name}_*.deb")):
                subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "-qq", "download", name], cwd=cache, check=True)
            subprocess.run(["dpkg-deb", "-x", max(cache.glob(f"{name}_*.deb")), tree], check=True)
        return packed(lambda archive: archive.add(tree, arcname=".", filter=owned_by_root))


def owned_by_root(entry):
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    return entry


def settings(archive):
    entry = tarfile.TarInfo("etc/second")
    entry.size = 2
    archive.addfile(entry, io.BytesIO(b"2\n"))


def main():
    demo, layout, cache = Layout(sys.argv[1]), Layout(sys.argv[2]), Path(sys.argv[3])
    if (layout.path / "index.json").is_file():
        return
    manifest = demo.load(demo.tagged("1")["digest"])
    config = demo.load(manifest["config"]["digest"])
    shared = manifest["layers"][:4]
    for layer in shared:
        name = layer["digest"].removeprefix("sha256:")
        shutil.copyfile(demo.blobs / name, layout.blobs / name)
    entries = []
    for tag, (layer, diff_id) in (("1", programs(cache)), ("2", packed(settings))):
        configuration = layout.store(CONFIG, json.dumps(config | {
            "rootfs": {"type": "layers", "diff_ids": config["rootfs"]["diff_ids"][:4] + [diff_id]},
            "history": [entry for entry in config["history"] if not entry.get("empty_layer")][:4] + [{"created_by": f"COPY fifth-{tag} /"}],
        }).encode())
        image = layout.store(MANIFEST, json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": shared + [layout.store(LAYER, layer)],
        }).encode())
        entries.append(image | {"annotations": {TAG: tag}})
    (layout.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))
    os.sync()


main()
