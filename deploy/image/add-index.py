#!/usr/bin/env python3
"""Adds a two-platform image index to an OCI layout.

Takes:  LAYOUT TAG NEW_TAG: the layout's directory, the tag of a single-platform image in it, the tag to add.
Does:   makes a small image of another architecture (an os-release file, nothing installed) and an index of both.
Leaves: the new blobs, and NEW_TAG in the layout's index.json. The image under TAG stays byte for byte as it was.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAG = "org.opencontainers.image.ref.name"
OS_RELEASE = b'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'


def main():
    layout, tag, new_tag = sys.argv[1:]
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
        index = json.load(file)
    first = next(entry for entry in index["manifests"] if entry.get("annotations", {}).get(TAG) == tag)
    config = load_blob(layout, load_blob(layout, first["digest"])["config"]["digest"])
    architecture = config["architecture"]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    other = "arm64" if architecture != "arm64" else "amd64"
    entries = [
        descriptor(first, architecture),
        descriptor(other_image(layout, other, config.get("created"), epoch), other),
    ]
    both = store_json(layout, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    both["annotations"] = {TAG: new_tag}
    kept = [entry for entry in index["manifests"] if entry.get("annotations", {}).get(TAG) != new_tag]
    index["manifests"] = kept + [both]
    with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file)


def load_blob(layout, digest):
    with open(os.path.join(layout, "blobs", *digest.split(":")), encoding="utf-8") as file:
        return json.load(file)


def descriptor(image, architecture):
    return {
        "mediaType": MANIFEST,
        "digest": image["digest"],
        "size": image["size"],
        "platform": {"os": "linux", "architecture": architecture},
    }


def other_image(layout, architecture, created, epoch):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("etc/os-release")
        entry.size, entry.mtime = len(OS_RELEASE), epoch
        archive.addfile(entry, io.BytesIO(OS_RELEASE))
    layer = store(layout, LAYER, gzip.compress(tar.getvalue(), mtime=0))
    config = store_json(layout, CONFIG, {
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar.getvalue()).hexdigest()]},
        "history": [{"created": created, "created_by": "COPY os-release /etc/os-release"}],
    })
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    return store_json(layout, MANIFEST, manifest)


def store_json(layout, media_type, value):
    return store(layout, media_type, json.dumps(value).encode())


def store(layout, media_type, content):
    digest = hashlib.sha256(content).hexdigest()
    with open(os.path.join(layout, "blobs", "sha256", digest), "wb") as file:
        file.write(content)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}


if __name__ == "__main__":
    main()
