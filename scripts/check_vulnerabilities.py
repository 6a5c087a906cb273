"""Known vulnerabilities of what cuelens installs, as pip-audit finds them.

``python scripts/check_vulnerabilities.py PIP_AUDIT`` takes the path of pip-audit, which is best
installed by itself.  Exit code 1 where a vulnerability is known; where the advisory database does
not answer, it says so and how many packages were not checked, and the exit code is 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from check_licences import installed


def main(pip_audit: str) -> int:
    """Ask about the packages of ``cuelens[all]`` that are installed."""
    packages = [
        f"{name}=={about.version}\n" for name, about in installed().items() if name != "cuelens"
    ]
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "installed.txt"
        listed.write_text("".join(sorted(packages)), encoding="utf-8")
        options = ["--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json"]
        ran = subprocess.run(
            [pip_audit, "-r", str(listed), *options], capture_output=True, text=True, check=False
        )
    try:
        found = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (ran.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"NOT CHECKED: the advisory database could not be asked ({reason})")
        return 0
    unknown = [one["name"] for one in found if "skip_reason" in one]
    bad = [one for one in found if one.get("vulns")]
    for one in bad:
        for each in one["vulns"]:
            print(f"{one['name']} {one['version']}: {each['id']}, fixed in {each['fix_versions']}")
    if len(unknown) == len(found):
        print(f"NOT CHECKED: the advisory database knows none of {len(found)} packages here")
    else:
        print(
            f"{len(found) - len(unknown)} packages checked, {len(bad)} with known vulnerabilities; "
            f"not in the database: {', '.join(unknown) or 'none'}"
        )
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["pip-audit"])))
