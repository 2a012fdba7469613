"""Debian packages as files on disk: what they hold, what they say about themselves, which libraries a program needs of them."""

import io
import re
import subprocess
import tarfile


class Package:
    """One .deb, read whole: they are small, and each is asked several times."""

    def __init__(self, path):
        self.path = path
        self.members = {}
        self._data = _tar(path, "--fsys-tarfile")
        for member in self._data.getmembers():
            self.members[member.name.removeprefix("./")] = member
        control = _tar(path, "--ctrl-tarfile")
        self.control = _text(control, "./control")
        self.sums = _text(control, "./md5sums")

    def field(self, name):
        found = re.search(rf"^{name}: (.*)$", self.control, re.MULTILINE)
        if found is None:
            raise SystemExit(f"{self.path}: its control file has no {name}")
        return found.group(1)

    @property
    def name(self):
        return self.field("Package")

    def content(self, path):
        """The bytes of a regular file; hard links are followed."""
        return self._data.extractfile(self.members[path]).read()

    def sums_of(self, paths):
        """The lines of md5sums about these files alone, so that whoever checks them misses nothing."""
        lines = [line for line in self.sums.splitlines() if line.split("  ", 1)[1] in paths]
        return "".join(line + "\n" for line in sorted(lines, key=lambda line: line.split("  ", 1)[1]))


def _tar(path, part):
    done = subprocess.run(["dpkg-deb", part, path], check=True, stdout=subprocess.PIPE)
    return tarfile.open(fileobj=io.BytesIO(done.stdout))


def _text(archive, name):
    return archive.extractfile(name).read().decode()


def needed(program):
    """The interpreter of an ELF file, None of a library, and the names of the libraries it wants."""
    interpreter = re.search(r"Requesting program interpreter: (.*)\]", _readelf(program, "--program-headers"))
    libraries = re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", _readelf(program, "--dynamic"))
    return interpreter and interpreter.group(1).lstrip("/"), libraries


def _readelf(program, part):
    return subprocess.run(["readelf", "--wide", part, program], check=True, stdout=subprocess.PIPE, text=True).stdout
