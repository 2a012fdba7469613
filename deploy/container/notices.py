#!/usr/bin/env python3
"""Collects the licences of the crates that weir is linked from, as their authors ask of whoever hands the program on.

Takes:  ROOT (the checkout) and OUT. The crates have to be fetched already, as they are after a build.
Does:   asks cargo which crates the program is made of on this platform, and reads the licence files in their sources; a text that
        several crates share stands once.
Leaves: OUT; names each crate without a file, with the licence it declares.
"""

import json
import os
import re
import subprocess
import sys

NAMES = re.compile(r"^(licen[cs]e|copying|notice|copyright|unlicense|authors)", re.IGNORECASE)


def main():
    root, out = sys.argv[1:]
    metadata = json.loads(cargo(root, "metadata", "--format-version", "1"))
    used = {tuple(line.split()[:2]) for line in cargo(root, "tree", "--package", "weir-proxy", "--edges", "normal", "--prefix", "none",
                                                      "--format", "{p}").splitlines() if line}
    packages = [package for package in metadata["packages"] if package["source"] and (package["name"], "v" + package["version"]) in used]
    texts, silent = {}, []
    for package in sorted(packages, key=lambda package: (package["name"], package["version"])):
        name = f"{package['name']} {package['version']} ({package['license'] or 'see its file'})"
        found = licences(os.path.dirname(package["manifest_path"]))
        for text in found:
            texts.setdefault(text, []).append(name)
        if not found:
            silent.append(name)
    with open(out, "w", encoding="utf-8") as file:
        file.write("weir is linked from these crates of others. Each text holds for the crates named above it.\n")
        for text, names in texts.items():
            file.write("\n" + "=" * 100 + "\n" + "\n".join(names) + "\n" + "-" * 100 + "\n" + text + "\n")
        if silent:
            file.write("\n" + "=" * 100 + "\nThese declare their licence without a file of their own:\n" + "\n".join(silent) + "\n")


def cargo(root, command, *options):
    run = ["cargo", command, "--offline", "--locked", *options]
    return subprocess.run(run, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout


def licences(directory):
    """The texts at the top of a crate and one folder below, where crates keep the C sources they bring."""
    places = [directory, *(entry.path for entry in sorted(os.scandir(directory), key=lambda entry: entry.name) if entry.is_dir())]
    found = []
    for place in places:
        for name in sorted(os.listdir(place)):
            path = os.path.join(place, name)
            if NAMES.match(name) and os.path.isfile(path) and not name.endswith((".rs", ".py", ".json", ".yml", ".yaml", ".h", ".c")):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read().strip().replace("\r\n", "\n")
                if text and text not in found:
                    found.append(text)
    return found


if __name__ == "__main__":
    main()
