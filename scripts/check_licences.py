"""Licences of what cuelens installs, held against those that its own licence goes with.

``python scripts/check_licences.py`` looks at the packages of ``cuelens[all]`` that are installed;
what only developers install is never shipped and not looked at.  Exit code 1 where a licence is
neither on the list nor an exception with a reason.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PERMISSIVE = re.compile(
    r"MIT|MIT-0|MIT-CMU|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|CNRI-Python|Zlib|CC0|"
    r"MPL|Mozilla Public License|Unlicense|HPND|Public Domain",
    re.IGNORECASE,
)
COPYLEFT = re.compile(
    r"GPL|General Public|SSPL|BUSL|Commercial|Proprietary|NonCommercial|-NC", re.I
)
EXCEPTIONS = {
    "soxr": "LGPL-2.1: used unchanged as a shared library, which users can replace",
    "zennit": "LGPL-3.0: an extra, imported unchanged from where users install it",
    "opensmile": "openSMILE's own: free for research and education only; said in README and docs",
    "pyworld": "MIT; its metadata name no licence",
    "espeakng-loader": "no licence in its metadata; carries eSpeak NG, which is GPL-3.0 and loaded "
    "when the extra that brings it is used",
    "skops": "MIT; its metadata say OSI Approved only",
    "docutils": "public domain and BSD; one file that is not installed is GPL",
    "cuelens": "Apache-2.0: this package",
}


def installed(name: str = "cuelens", extra: str = "all") -> dict[str, Distribution]:
    """Distributions that a requirement brings, by name, with those it needs itself."""
    found: dict[str, Distribution] = {}
    waiting = [(canonicalize_name(name), frozenset({extra}))]
    seen = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        name, extras = one
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of another platform, or an extra that is not installed
            continue
        for text in found[name].requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": each}) for each in (*extras, "")
            ):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return found


def licence(about: Distribution) -> str:
    """What a distribution says of its licence, in one line."""
    said = about.metadata.get("License-Expression")
    classes = [
        line.rpartition("::")[2].strip()
        for line in about.metadata.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    return said or "; ".join(classes) or (about.metadata.get("License") or "none").splitlines()[0]


def main() -> int:
    """Print what is not on the list; 1 where there is something."""
    packages = installed()
    bad = {
        name: said
        for name, about in packages.items()
        if name not in EXCEPTIONS
        and (not PERMISSIVE.search(said := licence(about)) or COPYLEFT.search(said))
    }
    for name, said in sorted(bad.items()):
        print(
            f"{name}: licence is {said!r}; expected a permissive one, or an exception with a reason"
        )
    named = sorted(set(EXCEPTIONS) & set(packages) - {"cuelens"})
    print(f"licences of {len(packages)} packages looked at, {len(bad)} unknown or not permitted")
    print("exceptions: " + "; ".join(f"{name} ({EXCEPTIONS[name]})" for name in named))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
