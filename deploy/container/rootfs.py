#!/usr/bin/env python3
"""Makes the file system of weir's container image as one tar archive: from nothing, with what the program needs and no more.

Takes:  BINARY SETTINGS LICENSE NOTICES DEBS OUT.tar OUT.tsv; SOURCE_DATE_EPOCH. DEBS is a directory with one .deb of each package
        in TAKEN, LIBRARIES and DOCUMENTS.
Does:   takes the files named below and the libraries that BINARY needs, at the places their packages give them; records each package
        of which something was taken in var/lib/dpkg/status.d, as distroless images do, for scanners.
Leaves: OUT.tar, the same bytes for the same inputs; OUT.tsv: package, version, architecture of what is in it.
"""

import glob
import io
import os
import sys
import tarfile
import tempfile

from debian import Package, needed

USER = 65532
# Files taken of a package whatever the program needs.
TAKEN = {
    "base-files": ["etc/debian_version", "etc/os-release", "usr/lib/os-release"],
    "ca-certificates": [],
}
# Packages that libraries are taken of, if the program needs one of them.
LIBRARIES = ["libc6", "libgcc-s1", "libstdc++6"]
# Whose folder below usr/share/doc others link to.
DOCUMENTS = ["gcc-12-base"]
AUTHORITIES = "usr/share/ca-certificates/mozilla/"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


class Tree:
    """What will be in the image, by path."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.entries = {}

    def directory(self, path, mode=0o755, owner=0):
        self._add(path, tarfile.DIRTYPE, mode, owner)

    def file(self, path, content, mode=0o644):
        self._add(path, tarfile.REGTYPE, mode, 0, content=content)

    def link(self, path, target):
        self._add(path, tarfile.SYMTYPE, 0o777, 0, target=target)

    def _add(self, path, kind, mode, owner, content=b"", target=""):
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.directory(parent)
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.mtime = kind, mode, self.epoch
        entry.uid = entry.gid = owner
        entry.size, entry.linkname = len(content), target
        self.entries[path] = (entry, content)

    def write(self, path):
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for _, (entry, content) in sorted(self.entries.items()):
                archive.addfile(entry, io.BytesIO(content))


def main():
    binary, settings, license_file, notices, debs, out, list_file = sys.argv[1:]
    packages = read_packages(debs)
    tree = Tree(int(os.environ["SOURCE_DATE_EPOCH"]))
    base(tree, binary, settings)
    for path, source in [("copyright", license_file), ("third-party.txt", notices)]:
        tree.file(f"usr/share/doc/weir/{path}", content_of(source))
    taken = {name: list(paths) for name, paths in TAKEN.items()}
    for name, path in libraries(binary, packages):
        taken.setdefault(name, []).append(path)
    take(tree, packages, taken)
    bundle(tree, packages["ca-certificates"])
    tree.write(out)
    with open(list_file, "w", encoding="utf-8") as file:
        for name in sorted(taken):
            package = packages[name]
            file.write(f"{name}\t{package.field('Version')}\t{package.field('Architecture')}\n")


def read_packages(debs):
    packages = {}
    for path in sorted(glob.glob(os.path.join(debs, "*.deb"))):
        package = Package(path)
        if package.name in packages:
            raise SystemExit(f"{debs}: two versions of {package.name}")
        packages[package.name] = package
    missing = [name for name in [*TAKEN, *LIBRARIES, *DOCUMENTS] if name not in packages]
    if missing:
        raise SystemExit(f"{debs}: no package {', '.join(missing)}")
    return packages


def base(tree, binary, settings):
    """What is weir's own, and the places where runtimes and volumes are mounted."""
    for path in ["dev", "proc", "sys"]:
        tree.directory(path)
    tree.directory("tmp", 0o1777)
    tree.directory("var/lib/weir", 0o750, USER)
    tree.file("etc/passwd", f"root:x:0:0:root:/root:/sbin/nologin\nweir:x:{USER}:{USER}:weir:/var/lib/weir:/sbin/nologin\n".encode())
    tree.file("etc/group", f"root:x:0:\nweir:x:{USER}:\n".encode())
    # Names in /etc/hosts (a pod's hostAliases) before those of DNS.
    tree.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    tree.file("etc/weir/weir.toml", content_of(settings))
    tree.file("usr/bin/weir", content_of(binary), 0o755)


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


def libraries(binary, packages):
    """Package and path of each library that the program needs, and that those need."""
    places = {}
    for name in LIBRARIES:
        for path, member in packages[name].members.items():
            if ".so" in path and not member.isdir():
                places.setdefault(os.path.basename(path), (name, path))
    interpreter, wanted = needed(binary)
    queue, found = [os.path.basename(interpreter), *wanted], {}
    if interpreter not in packages["libc6"].members:
        raise SystemExit(f"{binary} is started by /{interpreter}, which libc6 does not have")
    found[interpreter] = "libc6"
    while queue:
        library = queue.pop()
        if library not in places:
            raise SystemExit(f"{binary} needs {library}, which none of {', '.join(LIBRARIES)} has")
        name, path = places[library]
        if path in found:
            continue
        found[path] = name
        member = packages[name].members[path]
        if member.issym():
            queue.append(os.path.basename(member.linkname))
        else:
            queue.extend(needed_by(packages[name], path))
    return [(name, path) for path, name in sorted(found.items())]


def needed_by(package, path):
    with tempfile.NamedTemporaryFile() as copy:
        copy.write(package.content(path))
        copy.flush()
        return needed(copy.name)[1]


def take(tree, packages, taken):
    """The files, the copyright of each package, and its record for scanners."""
    for name in list(taken):
        document = packages[name].members.get(f"usr/share/doc/{name}")
        if document is not None and document.issym():
            taken.setdefault(os.path.basename(document.linkname), [])
            taken[name].append(f"usr/share/doc/{name}")
    for name in sorted(taken):
        package, paths = packages[name], taken[name]
        if f"usr/share/doc/{name}/copyright" in package.members:
            paths.append(f"usr/share/doc/{name}/copyright")
        for path in paths:
            member = package.members[path]
            if member.issym():
                tree.link(path, member.linkname)
            else:
                tree.file(path, package.content(path), member.mode)
        tree.file(f"var/lib/dpkg/status.d/{name}", package.control.encode())
        tree.file(f"var/lib/dpkg/status.d/{name}.md5sums", package.sums_of(set(paths)).encode())


def bundle(tree, package):
    """The authorities as one file, made as update-ca-certificates(8) makes it."""
    certificates = [package.content(path) for path in sorted(package.members) if path.startswith(AUTHORITIES) and path.endswith(".crt")]
    if not certificates:
        raise SystemExit(f"{package.path}: no certificates below {AUTHORITIES}")
    tree.file(BUNDLE, b"".join(text if text.endswith(b"\n") else text + b"\n" for text in certificates))


if __name__ == "__main__":
    main()
