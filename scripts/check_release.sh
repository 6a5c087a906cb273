#!/usr/bin/env bash
# Builds the sdist and the wheel from it, looks into both, installs the wheel without extras in a clean
# environment, and uses it away from the source: scripts/check_release.sh BUILDER [PYTHON]
# BUILDER is a Python with `build` and `mypy`; PYTHON the one to install into (python3).
set -euo pipefail
cd "$(dirname "$0")/.."
builder=$(readlink -f "$(dirname "$1")")/$(basename "$1")
python=${2:-python3}
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$builder" -m build --outdir "$work/dist" . >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$builder" scripts/release_contents.py "$work"/dist/*

"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  --constraint constraints.txt "$work"/dist/*.whl
cd "$work"
venv/bin/cuelens --version
venv/bin/cuelens models >/dev/null
venv/bin/python -c "import cuelens, sys; assert 'site-packages' in cuelens.__file__; assert 'torch' not in sys.modules"
venv/bin/python -c "from cuelens.testing import BandModel, check_model; check_model(BandModel(band_hz=(500, 900)))"
clip=$(venv/bin/python -c "from importlib.resources import files; print(files('cuelens') / 'demo_clips' / 'de_male_anger.flac')")
venv/bin/cuelens explain "$clip" --out results >/dev/null
test -s results/de_male_anger/report.html
venv/bin/cuelens explain "$clip" --explainer occlusion --out maps >/dev/null
test -s maps/de_male_anger/report.html
(venv/bin/cuelens explain "$clip" --explainer lrp || true) 2>&1 | grep -q 'cuelens\[torch\]'
(venv/bin/cuelens app || true) 2>&1 | grep -q 'cuelens\[app\]'
(venv/bin/cuelens explain "$clip" --variant published || true) 2>&1 | grep -q 'cuelens\[published\]'

cat >user.py <<'PY'
import cuelens

explanation: cuelens.Explanation = cuelens.EmoLime(seed=1).explain(
    cuelens.load_model("emodb-cnn"), cuelens.load_audio("clip.wav")
)
cuelens.EmoLime(seed="1")
PY
("$builder" -m mypy --strict --python-executable venv/bin/python user.py || true) >types.log 2>&1
grep -q 'user.py:6: error: Argument "seed"' types.log && grep -q 'Found 1 error in 1 file' types.log ||
  { echo "types of the installed package are not seen:" >&2; cat types.log >&2; exit 1; }
echo "release: built, installed and used on $(venv/bin/python --version)"
