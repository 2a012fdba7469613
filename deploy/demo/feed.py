#!/usr/bin/env python3
"""Plays the publisher of a feed of advisories: withholds what is known of a package, and publishes it later.

Takes:  withhold SOURCE OUT PACKAGE   OUT gets the feed of SOURCE (a folder with all.zip) without the records about PACKAGE
        publish SOURCE OUT PACKAGE    these records come: as files of their own, in all.zip and at the head of modified_id.csv
Does:   keeps the layout of the OSV bucket. `publish` prints how many records came.
Leaves: OUT/all.zip, OUT/modified_id.csv, OUT/<ID>.json.
"""
import json
import sys
import zipfile
from pathlib import Path


def main():
    command, source, out, package = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    out.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source / "all.zip") as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    about = {name for name, text in records.items() if is_about(json.loads(text), package)}
    shown = {name: text for name, text in records.items() if command == "publish" or name not in about}
    if command == "publish":
        for name in about:
            (out / name).write_bytes(records[name])
    with zipfile.ZipFile(out / "all.zip.new", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in shown.items():
            archive.writestr(name, text)
    (out / "all.zip.new").replace(out / "all.zip")
    stamps = sorted(((json.loads(text)["modified"], name.removesuffix(".json")) for name, text in shown.items()), reverse=True)
    (out / "modified_id.csv.new").write_text("".join(f"{modified},{name}\n" for modified, name in stamps))
    (out / "modified_id.csv.new").replace(out / "modified_id.csv")
    if command == "publish":
        print(len(about))


def is_about(record, package):
    return any(affected.get("package", {}).get("name", "").lower() == package for affected in record.get("affected", []))


main()
