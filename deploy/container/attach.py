#!/usr/bin/env python3
"""Attaches documents to an image of an OCI layout, as referrers.

Takes:  LAYOUT TAG MEDIA_TYPE=FILE...; SOURCE_DATE_EPOCH.
Does:   writes for each file an artifact manifest after the OCI image specification 1.1: the file as its layer, the image as its
        `subject`. The index of them gets the tag sha256-DIGEST, where clients look whose registry has no referrers API.
Leaves: the new blobs, and that tag beside the image's; an index that was there before is replaced.
"""

import datetime
import hashlib
import json
import os
import sys

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
TAG = "org.opencontainers.image.ref.name"


class Layout:
    """An OCI image layout on disk."""

    def __init__(self, path):
        self.path = path
        with open(os.path.join(path, "index.json"), encoding="utf-8") as file:
            self.index = json.load(file)

    def tagged(self, tag):
        found = [entry for entry in self.index["manifests"] if entry.get("annotations", {}).get(TAG) == tag]
        if len(found) != 1:
            raise SystemExit(f"{self.path}: {len(found)} images have the tag {tag}")
        return {"mediaType": found[0]["mediaType"], "digest": found[0]["digest"], "size": found[0]["size"]}

    def tag(self, tag, descriptor):
        kept = [entry for entry in self.index["manifests"] if entry.get("annotations", {}).get(TAG) != tag]
        self.index["manifests"] = [*kept, {**descriptor, "annotations": {TAG: tag}}]
        with open(os.path.join(self.path, "index.json"), "w", encoding="utf-8") as file:
            json.dump(self.index, file)

    def store(self, media_type, content):
        digest = hashlib.sha256(content).hexdigest()
        with open(os.path.join(self.path, "blobs", "sha256", digest), "wb") as file:
            file.write(content)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}

    def store_json(self, media_type, value):
        return self.store(media_type, json.dumps(value, separators=(",", ":")).encode())


def main():
    path, tag, *documents = sys.argv[1:]
    layout = Layout(path)
    subject = layout.tagged(tag)
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    referrers = [artifact(layout, subject, created, *document.split("=", 1)) for document in documents]
    index = layout.store_json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": referrers})
    layout.tag(subject["digest"].replace(":", "-"), index)


def artifact(layout, subject, created, media_type, file_name):
    with open(file_name, "rb") as file:
        layer = layout.store(media_type, file.read())
    layer["annotations"] = {"org.opencontainers.image.title": os.path.basename(file_name)}
    annotations = {"org.opencontainers.image.created": created.strftime("%Y-%m-%dT%H:%M:%SZ")}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": media_type,
        "config": layout.store(EMPTY, b"{}"),
        "layers": [layer],
        "subject": subject,
        "annotations": annotations,
    }
    return {**layout.store_json(MANIFEST, manifest), "artifactType": media_type, "annotations": annotations}


if __name__ == "__main__":
    main()
