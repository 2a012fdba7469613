#!/usr/bin/env python3
"""Prints weir's result for one image so that a person can read it.

Takes:  the result JSON (of GET /api/v1/images/DIGEST/report, or of `weir scan --format json`) on standard input.
Does:   prints layers, packages, vulnerabilities and, for each feed, how much it can know. A feed with few records or
        old ones reads as such: what it does not report may still be there.
Leaves: nothing.
"""

import datetime
import json
import sys
from collections import Counter
from urllib.parse import unquote

SEVERITIES = ["critical", "high", "medium", "low", "none", "unknown"]
# A release or a registry in wide use has several thousand records in the public OSV bucket; with fewer than this the
# data has gaps, and "nothing found" says little.
THIN_RECORDS = 1000
TOP = 10


def main():
    result = json.load(sys.stdin)
    now = datetime.datetime.now(datetime.timezone.utc)
    image(result)
    layers(result)
    packages(result)
    vulnerabilities(result)
    feeds(result, now)


def image(result):
    about, scan = result["image"], result["scan"]
    system = about.get("os") or {}
    name = f"{system.get('id')} {system.get('version')}" if system else "unknown system"
    notes = [note for note, holds in [("not supported", not system.get("supported", False)),
                                      ("past its end of life", system.get("end_of_life", False))] if holds]
    heading(f"{about.get('reference') or about['digest']}  ({about.get('platform')})")
    print(f"  digest  {about['digest']}")
    print(f"  system  {name}{''.join(', ' + note for note in notes)}")
    reasons = f": {', '.join(map(text_of, scan.get('reasons') or []))}" if scan.get("reasons") else ""
    print(f"  scan    {scan['status']}{reasons}")


def layers(result):
    brought = Counter(package.get("layer") for package in result["packages"])
    heading("Layers")
    rows = [[str(layer["index"]), size(layer["size_bytes"]), str(brought[layer["index"]]), short(layer.get("created_by") or "", 78)]
            for layer in result["layers"]]
    table(["", "size", "packages", "made by"], rows, right={1, 2})


def packages(result):
    heading(f"Packages: {len(result['packages'])}")
    types = Counter(package["type"] for package in result["packages"])
    rows = [[kind, str(count)] for kind, count in types.most_common()]
    table(["type", "packages"], rows, right={1})


def vulnerabilities(result):
    found = result.get("vulnerabilities")
    if found is None:
        heading("Vulnerabilities: unknown")
        print("  Nothing was matched, so nothing can be said: see the scan's status and the feeds.")
        return
    distinct = worst_of_each(found)
    heading(f"Vulnerabilities: {len(distinct)} in {len({finding['package'] for finding in found})} packages")
    counts = Counter(finding["severity"] for finding in distinct)
    print("  " + "   ".join(f"{severity} {counts[severity]}" for severity in SEVERITIES if counts[severity]))
    rows = [row(finding) for finding in sorted(distinct, key=urgency)[:TOP]]
    if rows:
        print(f"\n  The {len(rows)} to look at first:")
        table(["vulnerability", "severity", "CVSS", "EPSS", "package", "layer", "fixed in"], rows, right={2, 3, 5})


def worst_of_each(findings):
    """One finding for each id: an image counts vulnerabilities, not the packages they are found in."""
    distinct = {}
    for finding in sorted(findings, key=urgency):
        distinct.setdefault(finding["id"], finding)
    return list(distinct.values())


def urgency(finding):
    return (not finding.get("known_exploited"), -score(finding), SEVERITIES.index(finding["severity"]), finding["id"])


def score(finding):
    return (finding.get("cvss") or {}).get("score") or 0.0


def row(finding):
    epss = finding.get("epss")
    return [
        finding["id"] + (" (exploited)" if finding.get("known_exploited") else ""),
        finding["severity"],
        f"{score(finding):.1f}" if score(finding) else "-",
        f"{epss:.3f}" if epss is not None else "-",
        short(package_name(finding["package"]), 44),
        "-" if finding.get("layer") is None else str(finding["layer"]),
        short(finding.get("fixed_version") or "no fix known", 24),
    ]


def package_name(purl):
    """pkg:deb/debian/openssl@3.0?arch=amd64 is read as deb openssl 3.0; %40 and the like are decoded."""
    kind, _, rest = purl.removeprefix("pkg:").split("?")[0].partition("/")
    name, _, version = rest.rpartition("@")
    if kind in ("deb", "apk", "rpm"):
        name = name.rpartition("/")[2]
    return f"{kind} {unquote(name)} {unquote(version)}"


def feeds(result, now):
    coverage = result["coverage"]
    heading("What the advisories can know")
    rows, warnings = [], []
    for feed in coverage["feeds"]:
        records = feed["records"]
        newest = age(feed.get("as_of"), now)
        notes = [note for note, holds in [("THIN", records < THIN_RECORDS), ("STALE", feed.get("stale"))] if holds]
        rows.append([feed["ecosystem"], f"{records}", newest, " ".join(notes)])
        if records < THIN_RECORDS:
            speak = "record speaks" if records == 1 else "records speak"
            warnings.append(f"fewer than {THIN_RECORDS} records ({records} {speak}) for {feed['ecosystem']}: absence of findings means little.")
        if feed.get("stale"):
            warnings.append(f"the newest record for {feed['ecosystem']} is {newest} old: anything published since is missing.")
    table(["feed", "records", "newest record", ""], rows, right={1})
    for missing in coverage.get("missing_feeds") or []:
        warnings.append(f"nothing speaks for {text_of(missing)}: its packages were not judged at all.")
    if coverage.get("uncovered_packages"):
        warnings.append(f"{coverage['uncovered_packages']} packages belong to no feed and were not judged.")
    for warning in warnings:
        print(f"  ! {warning}")


def text_of(value):
    """Reasons and feeds are words; should one carry details, all of it is shown."""
    return value if isinstance(value, str) else json.dumps(value)


def age(instant, now):
    if not instant:
        return "unknown"
    # Fractions of a second have up to nine digits, of which datetime takes six; an age needs none.
    then = datetime.datetime.fromisoformat(instant.partition(".")[0].rstrip("Z") + "+00:00")
    hours = (now - then).total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} h"


def size(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def short(words, width):
    return words if len(words) <= width else words[:width - 1] + "…"


def heading(words):
    print(f"\n{words}\n" + "-" * min(len(words), 100))


def table(header, rows, right=()):
    if not rows:
        print("  none")
        return
    widths = [max(len(line[column]) for line in [header] + rows) for column in range(len(header))]
    for line in [header] + rows:
        cells = [cell.rjust(width) if column in right else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(line, widths))]
        print(("  " + "   ".join(cells)).rstrip())


if __name__ == "__main__":
    main()
