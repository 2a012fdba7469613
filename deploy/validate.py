#!/usr/bin/env python3
"""Holds documents against the official schemas of their form, with the validators their projects keep.

Takes: FORM FILE [FORM FILE ...]; FORM is cyclonedx (1.6), spdx (2.3), sarif (2.1.0) or
openvex (0.2.0).
Prints every error as a line, and exits 1 where there was one; what no schema says, that references inside a document lead
somewhere and package URLs can be parsed, counts as well. deploy/lib/validators.sh installs what this needs.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    pairs = list(zip(sys.argv[1::2], sys.argv[2::2]))
    if not pairs or len(sys.argv) % 2 == 0 or any(form not in FORMS for form, _ in pairs):
        print(f"usage: validate.py FORM FILE [FORM FILE ...] (FORM: {', '.join(FORMS)})", file=sys.stderr)
        return 2
    installed = Path(subprocess.run([HERE / "lib/validators.sh"], stdout=subprocess.PIPE, check=True, text=True).stdout.strip())
    sys.path.insert(0, str(installed / "python"))
    failed = False
    for form, file in pairs:
        for error in FORMS[form](Path(file), installed):
            failed = True
            print(f"{file}: {error}")
    return int(failed)


def cyclonedx(file, installed):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = file.read_text()
    for error in JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True) or ():
        yield schema_error(error.data)
    bom = json.loads(text)
    image = bom["metadata"]["component"]
    parts = [image, *bom["components"], *bom.get("vulnerabilities", []), *bom.get("annotations", [])]
    names = [part["bom-ref"] for part in parts]
    yield from (f"bom-ref {name} is there twice" for name in sorted({name for name in names if names.count(name) > 1}))
    named = [entry["ref"] for entry in bom["dependencies"]]
    named += [name for entry in bom["dependencies"] for name in entry.get("dependsOn", [])]
    for composition in bom["compositions"]:
        named += composition.get("assemblies", []) + composition.get("vulnerabilities", [])
    named += [affected["ref"] for found in bom.get("vulnerabilities", []) for affected in found["affects"]]
    named += [subject for note in bom.get("annotations", []) for subject in note["subjects"]]
    yield from (f"nothing is called {name}" for name in sorted(set(named) - set(names)))
    yield from package_urls(part["purl"] for part in [image, *bom["components"]] if "purl" in part)


def spdx(file, installed):
    from spdx_tools.spdx.parser.error import SPDXParsingError
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    # Its parser knows a form by the end of the file's name.
    with tempfile.NamedTemporaryFile(suffix=".spdx.json") as copy:
        copy.write(file.read_bytes())
        copy.flush()
        try:
            document = parse_file(copy.name)
        except SPDXParsingError as error:
            yield from error.get_messages()
            return
    for message in validate_full_spdx_document(document, "SPDX-2.3"):
        yield f"{message.context.spdx_id}: {message.validation_message}"
    references = [known for package in document.packages for known in package.external_references]
    yield from package_urls(known.locator for known in references if known.reference_type == "purl")


def sarif(file, installed):
    from jsonschema.validators import validator_for

    schema = json.loads((installed / "sarif/sarif-2.1.0.json").read_text())
    validator = validator_for(schema)
    log = json.loads(file.read_text())
    yield from map(schema_error, validator(schema, format_checker=validator.FORMAT_CHECKER).iter_errors(log))
    with tempfile.TemporaryDirectory() as directory:
        copy, report = Path(directory, "log.sarif"), Path(directory, "report.sarif")
        copy.write_bytes(file.read_bytes())
        # Without the tables of every language, which would have to be installed. It looks up the URLs a document names:
        # nobody answers.
        settings = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "DOTNET_BUNDLE_EXTRACT_BASE_DIR": directory}
        settings |= {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "all_proxy")}
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | settings
        command = [installed / "sarif/Sarif.Multitool", "validate", copy, "--output", report, "--quiet", "true"]
        # The standard's own rules, and those of code scanning services that take such logs.
        command += ["--rule-kind", "Sarif;Ghas"]
        ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if not report.is_file():
            yield f"the multitool made no report (exit status {ran.returncode}): {ran.stdout}"
            return
        run = json.loads(report.read_text())["runs"][0]
        rules = {rule["id"]: rule for rule in run["tool"]["driver"].get("rules", [])}
        for result in run.get("results", []):
            if result.get("level", "warning") != "error":
                continue
            message = result["message"]
            text = message.get("text") or rules[result["ruleId"]]["messageStrings"][message["id"]]["text"]
            for number, argument in enumerate(message.get("arguments", [])):
                text = text.replace(f"{{{number}}}", argument)
            yield f"{result['ruleId']}: {text}"


def openvex(file, installed):
    from pydantic import ValidationError
    from vexipy import Document

    text = file.read_text()
    try:
        Document.from_json(text)
    except ValidationError as errors:
        for error in errors.errors():
            yield f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
        return
    document = json.loads(text)
    if not document["statements"]:
        yield "no statement: the specification wants one at least"
    parts = [product for statement in document["statements"] for product in statement.get("products", [])]
    if len(parts) < len(document["statements"]):
        yield "a statement names no product"
    parts += [part for product in parts for part in product.get("subcomponents", [])]
    yield from package_urls(part["@id"] for part in parts)


def schema_error(error):
    return f"{error.json_path}: {error.message[:500]}"


def package_urls(urls):
    from packageurl import PackageURL

    for url in urls:
        try:
            PackageURL.from_string(url)
        except ValueError as error:
            yield f"{url}: {error}"


FORMS = {"cyclonedx": cyclonedx, "spdx": spdx, "sarif": sarif, "openvex": openvex}

if __name__ == "__main__":
    sys.exit(main())
