#!/usr/bin/env bash
# Tests that need no extras, with the lowest versions that pyproject.toml allows (constraints-minimal.txt):
# scripts/test_minimal.sh [PYTHON] (3.11). `scripts/test_minimal.sh --compile` writes the file anew, with uv.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --compile ]; then
  python3 -m venv "$work"
  "$work/bin/pip" install --quiet --disable-pip-version-check uv
  {
    echo "# The lowest versions that pyproject.toml allows, and what goes with them (Python 3.11)."
    echo "# Written by scripts/test_minimal.sh --compile; make test-minimal tests them."
    "$work/bin/uv" pip compile pyproject.toml --resolution lowest-direct --python-version 3.11 \
      --no-header --no-annotate --quiet
  } >"$work/constraints.txt"
  mv "$work/constraints.txt" constraints-minimal.txt
  exit
fi
"${1:-python3}" -m venv "$work"
"$work/bin/pip" install --quiet --disable-pip-version-check --constraint constraints-minimal.txt . pytest hypothesis
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# Libraries of that age warn of newer ones beside them: no warning is an error here.
needs_others=( # librosa, shap, lime, parselmouth or PyTorch
  units/test_harmonic_percussive.py units/test_label_files.py models/test_waveforms.py
  explain/test_emolime.py explain/test_lime.py explain/test_shapley.py
)
"$work/bin/python" -m pytest -q -p no:cacheprovider --override-ini filterwarnings=default \
  -m "not corpus and not slow and not browser and not gpu" "${needs_others[@]/#/--ignore=tests/}" \
  tests/units tests/corpora tests/models tests/explain tests/testing tests/test_audio.py tests/test_plugins.py \
  tests/cli/test_explain_options.py -k "not published"
cd "$work"
clip=$(bin/python -c "from importlib.resources import files; print(files('cuelens') / 'demo_clips' / 'de_male_anger.flac')")
bin/cuelens explain "$clip" --out results >/dev/null
test -s results/de_male_anger/report.html
