"""Which packages a Meshmill installation is made of, and under which licences.

python bench/third_party.py > docs/third-party.md

Walks from pyproject.toml through every installed dependency and reads what the packages say about themselves. What
their metadata leaves out (libraries inside wheels) stands in NOTES, each looked up in the wheel itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"

NOTES = {
    "pymeshlab": "GPL: a program of its own here, see licensing.md",
    "pillow-heif": "the source is BSD; the wheels hold x265 (GPL-2.0), libheif and libde265 (LGPL): see licensing.md",
    "psycopg": "LGPL: used as a library, replaceable",
    "psycopg-binary": "LGPL: used as a library, replaceable; the wheel holds libpq (PostgreSQL licence) and OpenSSL",
    "libigl": "MPL-2.0; its GPL and non-commercial parts (`igl.copyleft`, `igl.triangle`) are never imported",
    "text-unidecode": "Artistic or GPL, at the user's choice: Artistic; comes with Prefect (python-slugify)",
    "usd-core": "Tomorrow Open Source Technology licence 1.0: Apache-2.0 with another section on trademarks",
}
"""What the metadata does not say, or what needs a word."""

COPYLEFT = re.compile(r"GPL|GNU|MPL|Mozilla|EPL|CDDL|EUPL")


@dataclass(frozen=True)
class Package:
    """One installed package."""

    name: str
    version: str
    licence: str


def normalised(name: str) -> str:
    """PyPI's spelling: lower case, dashes."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(package: Distribution) -> str:
    """The SPDX expression, else the classifiers, else the free text, in one line; "not stated" where there is none."""
    metadata = package.metadata
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [c.split(" :: ")[-1] for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    free = (metadata.get("License") or "").strip().splitlines()
    return "; ".join(classifiers) or (free[0][:60] if free else "not stated")


def installed(requirements: Iterable[str], found: dict[str, Package] | None = None, extras: Iterable[str] = ()) -> dict:
    """Every package that these requirements bring in here, by name; absent ones (other platforms') are left out."""
    found = {} if found is None else found
    for text in requirements:
        requirement = Requirement(text)
        name = normalised(requirement.name)
        wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in ("", *extras))
        if name in found or not wanted:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = Package(name, package.version, licence_of(package))
        installed(package.requires or [], found, requirement.extras)
    return found


def direct() -> list[str]:
    """The requirements that pyproject.toml declares for running, not for developing."""
    return list(tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["dependencies"])


def main() -> None:
    declared = {normalised(Requirement(text).name) for text in direct()}
    packages = installed(direct())
    print("# Third-party packages\n")
    print(
        "Made by `python bench/third_party.py > docs/third-party.md`; bold: declared in pyproject.toml, the others come"
    )
    print("with them. Development tools are not part of an installation and not listed.\n")
    print("## Copyleft, or worth a word\n\n| package | licence | what that means here |\n| --- | --- | --- |")
    for name, package in sorted(packages.items()):
        if name in NOTES or COPYLEFT.search(package.licence):
            print(f"| {name} | {package.licence} | {NOTES.get(name, 'file-level copyleft: used unchanged')} |")
    print("\n## All\n\n| package | version | licence |\n| --- | --- | --- |")
    for name, package in sorted(packages.items()):
        shown = f"**{name}**" if name in declared else name
        print(f"| {shown} | {package.version} | {package.licence} |")


if __name__ == "__main__":
    main()
