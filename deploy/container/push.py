#!/usr/bin/env python3
"""Pushes an image of an OCI layout and what is attached to it (attach.py) to a registry.

Takes:  LAYOUT TAG REGISTRY/REPOSITORY [--plain-http]. Credentials as `skopeo login` keeps them; REGISTRY_AUTH_FILE names another file.
Does:   skopeo copies everything; then the index of what is attached is sent once more as it is, since skopeo leaves out the
        `artifactType` of its entries, by which clients choose.
Leaves: REPOSITORY:TAG and REPOSITORY:sha256-DIGEST in the registry, byte for byte as in the layout.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

INDEX = "application/vnd.oci.image.index.v1+json"
TAG = "org.opencontainers.image.ref.name"


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--plain-http"]
    plain = len(arguments) != len(sys.argv) - 1
    if len(arguments) != 3 or "/" not in arguments[2]:
        raise SystemExit("usage: push.py LAYOUT TAG REGISTRY/REPOSITORY [--plain-http]")
    layout, tag, target = arguments
    host, repository = target.split("/", 1)
    entries = read_json(os.path.join(layout, "index.json"))["manifests"]
    tags = {entry.get("annotations", {}).get(TAG): entry["digest"] for entry in entries}
    if tag not in tags:
        raise SystemExit(f"{layout}: no tag {tag}")
    attached = tags[tag].replace(":", "-")
    copy(layout, tag, target, plain, "--preserve-digests")
    if attached in tags:
        copy(layout, attached, target, plain, "--all")
        with open(blob(layout, tags[attached]), "rb") as file:
            put_index(Registry(host, plain), repository, attached, file.read())
    print(f"pushed {target}:{tag} ({tags[tag]})" + (" with what is attached to it" if attached in tags else ""))


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def blob(layout, digest):
    return os.path.join(layout, "blobs", *digest.split(":"))


def copy(layout, tag, target, plain, option):
    verify = "--dest-tls-verify=false" if plain else "--dest-tls-verify=true"
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", option, verify, f"oci:{layout}:{tag}", f"docker://{target}:{tag}"]
    if subprocess.run(command, check=False).returncode != 0:
        raise SystemExit(f"push.py: {target}:{tag} was not pushed")


def put_index(registry, repository, tag, content):
    with registry.send("PUT", f"/v2/{repository}/manifests/{tag}", repository, content, {"Content-Type": INDEX}) as answer:
        stored = answer.headers.get("Docker-Content-Digest")
    expected = "sha256:" + hashlib.sha256(content).hexdigest()
    if stored not in (None, expected):
        raise SystemExit(f"push.py: {registry.host} keeps {tag} as {stored}, not as {expected}")


class Registry:
    """Requests to one registry, with a token where it asks for one."""

    def __init__(self, host, plain):
        self.host = host
        self.base = ("http://" if plain else "https://") + host

    def send(self, method, path, repository, content, headers):
        try:
            return self._request(method, path, content, headers)
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code != 401 or not challenge:
                raise SystemExit(f"push.py: {self.host} answered {error.code} to {path}: {error.read()[:500].decode()}") from None
        try:
            authorization = self._authorization(challenge, repository)
            return self._request(method, path, content, {**headers, "Authorization": authorization})
        except urllib.error.HTTPError as error:
            raise SystemExit(f"push.py: {self.host} answered {error.code} to {error.url}: {error.read()[:500].decode()}") from None

    def _request(self, method, path, content, headers):
        return urllib.request.urlopen(urllib.request.Request(self.base + path, content, headers, method=method), timeout=60)

    def _authorization(self, challenge, repository):
        basic = self._credentials()
        if challenge.lower().startswith("basic"):
            if basic is None:
                raise SystemExit(f"push.py: {self.host} asks for credentials: skopeo login {self.host}")
            return "Basic " + basic
        parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if "realm" not in parts:
            raise SystemExit(f"push.py: {self.host} asks for credentials in a way that is not known: {challenge}")
        query = {"scope": f"repository:{repository}:pull,push"}
        if "service" in parts:
            query["service"] = parts["service"]
        headers = {"Authorization": "Basic " + basic} if basic else {}
        request = urllib.request.Request(parts["realm"] + "?" + urllib.parse.urlencode(query), headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            token = json.load(answer)
        return "Bearer " + (token.get("token") or token["access_token"])

    def _credentials(self):
        """User and password in base64, where skopeo, podman or docker keep them."""
        runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/containers/{os.getuid()}")
        places = [os.path.join(runtime, "containers/auth.json"), os.path.expanduser("~/.docker/config.json")]
        if os.environ.get("REGISTRY_AUTH_FILE"):
            places = [os.environ["REGISTRY_AUTH_FILE"]]
        for place in places:
            if os.path.exists(place):
                found = read_json(place).get("auths", {}).get(self.host, {}).get("auth")
                if found:
                    base64.b64decode(found, validate=True)
                    return found
        return None


if __name__ == "__main__":
    main()
