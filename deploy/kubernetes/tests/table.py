"""The table of values in docs/install.md, out of the comments in values.yaml."""

import json
import re

import yaml

from rendering import CHART, REPOSITORY

PAGE = REPOSITORY / "docs" / "install.md"
BEGIN, END = "<!-- Written from values.yaml; WEIR_UPDATE_DOCS=1 writes it anew. -->", "<!-- To here. -->"


def write():
    PAGE.write_text(replaced(PAGE.read_text()))


def replaced(page):
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n\n" + table() + "\n" + END + rest.split(END)[1]


def table():
    lines = ["| value | default | what it is |", "|---|---|---|"]
    lines += [f"| `{path}` | {shown(default)} | {words} |" for path, default, words in leaves()]
    return "\n".join(lines) + "\n"


def shown(default):
    return "" if default == "" else f"`{json.dumps(default) if not isinstance(default, str) else default}`"


def leaves():
    """Each value that has a comment or no values below it: its path, its default, what its comments say."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    path, pending, found, inside_list = [], [], [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if inside_list is not None and line.strip() and indent > inside_list:
            continue
        inside_list = None
        comment = re.match(r" *# ?(.*)", line)
        key = re.match(r" *([A-Za-z_0-9]+):(.*)", line)
        if comment:
            pending.append(comment.group(1))
        elif not key:
            pending = []
        else:
            path = path[: indent // 2] + [key.group(1)]
            default = defaults
            for part in path:
                default = default[part]
            is_section = isinstance(default, dict) and default and not is_map(path)
            if is_section:
                # What is said of a section is said of what is in it.
                if pending:
                    found.append((".".join(path) + ".*", "", " ".join(pending).replace("|", "\\|")))
            else:
                found.append((".".join(path), default, " ".join(pending).replace("|", "\\|")))
                inside_list = indent
            pending = []
    return found


def is_map(path):
    """Whether a value is passed on whole, so that its keys are no values of the chart."""
    return path[-1] in ("resources", "nodeSelector", "labels", "annotations")
