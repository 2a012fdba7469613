#!/usr/bin/env python3
"""Has weir write the bills of materials of an image in an OCI layout.

Takes:  WEIR LAYOUT TAG OUTDIR; SOURCE_DATE_EPOCH.
Does:   runs `weir scan` once for each form, without advisories: what is in an image stays, what is known of it does not, and who scans the
        image learns that. The instant of the scan and the identifier made of it are replaced by those of the image, so that the same image
        has the same documents.
Leaves: OUTDIR/weir-TAG.cdx.json and OUTDIR/weir-TAG.spdx.json; fails unless the scan is complete.
"""

import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid

FORMS = {"cyclonedx": "cdx.json", "spdx": "spdx.json"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def main():
    weir, layout, tag, outdir = sys.argv[1:]
    weir, layout = os.path.abspath(weir), os.path.abspath(layout)
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    os.makedirs(outdir, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        # The documents name the image as weir was told to find it.
        os.symlink(layout, os.path.join(work, "weir"))
        os.mkdir(os.path.join(work, "none"))
        result = json.loads(scan(weir, tag, "json", work))
        if result["scan"]["status"] != "complete":
            raise SystemExit(f"{layout}: the scan is {result['scan']['status']}: {json.dumps(result['scan']['reasons'])}")
        for form, ending in FORMS.items():
            text = same(scan(weir, tag, form, work), result["image"]["digest"], created)
            with open(os.path.join(outdir, f"weir-{tag}.{ending}"), "w", encoding="utf-8") as file:
                file.write(text)


def scan(weir, tag, form, work):
    command = [weir, "scan", f"oci:weir:{tag}", "--format", form, "--advisories", "none"]
    environment = {**os.environ, "WEIR_DATA__DIRECTORY": os.path.join(work, "data")}
    done = subprocess.run(command, cwd=work, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"sbom.py: {' '.join(command)} ended with {done.returncode}")
    return done.stdout


def same(text, digest, created):
    """The document with the image's instant and an identifier made of the image's digest."""
    document = json.loads(text)
    instant = document["metadata"]["timestamp"] if "metadata" in document else document["creationInfo"]["created"]
    identifier = UUID.search(document.get("serialNumber") or document["documentNamespace"])
    if identifier is None:
        raise SystemExit("sbom.py: the document has no identifier")
    own = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{document.get('bomFormat', 'SPDX')} {digest}"))
    return text.replace(instant, created.strftime("%Y-%m-%dT%H:%M:%SZ")).replace(identifier.group(), own)


if __name__ == "__main__":
    main()
