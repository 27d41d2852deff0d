# Every target sets up what it needs: `make demo` and `make test` work on a fresh machine that has
# Python 3.11, 3.12 or 3.13 and make. PYTHON=… picks the interpreter, EXTRA=gpu the CUDA lock.

EXTRA ?= cpu
SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c '$(SUPPORTED)' 2>/dev/null && echo "$$p" && break; done)

BIN := .venv/bin
STAMP := .venv/installed-$(EXTRA)
DEMO := screening/demo/karyograms
export NO_ALBUMENTATIONS_UPDATE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test slow lint format docs bench mutants reports bundle lock sbom clean

demo: $(STAMP)  ## screen the embedded karyograms with the shipped bundle
	@mkdir -p out
	$(BIN)/screening screen $(DEMO) --out "$(CURDIR)/out/demo" --overwrite || [ $$? -eq 3 ]

test: $(STAMP)  ## everything but the slow tests
	$(BIN)/python -m pytest -q -m "not slow" --numprocesses auto --maxprocesses 4 --dist loadfile

slow: $(STAMP)  ## the slow tests only; that there are none (status 5) is no failure
	$(BIN)/python -m pytest -q -m slow --durations=10 || [ $$? -eq 5 ]

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/docs-installed  ## the site of docs/ in out/docs; a link or a name that leads nowhere fails
	$(BIN)/mkdocs build --quiet --strict

bench: $(STAMP)  ## every benchmark, one after the other; each writes to reports/
	set -e; for script in scripts/bench_*.py; do $(BIN)/python "$$script"; done

mutants: $(STAMP)  ## which wrong changes of the code no test notices; writes reports/mutants.md
	$(BIN)/python scripts/measure_mutants.py

reports: $(STAMP)  ## measure what is not current: make reports DATA=folder [MOST=200] [ALL=1]
	@test -n "$(DATA)" || { echo "make reports: expected DATA=folder with chromosomes.csv and cells.csv"; exit 2; }
	$(BIN)/python scripts/make_reports.py --data "$(DATA)" $(if $(MOST),--most $(MOST)) $(if $(ALL),--all)

bundle: $(STAMP)  ## rebuild the shipped bundle: make bundle DATA=folder (can be resumed)
	@test -n "$(DATA)" || { echo "make bundle: expected DATA=folder with chromosomes.csv and cells.csv"; exit 2; }
	$(BIN)/screening build configs/default_bundle.yaml --data "$(DATA)" --out runs/default

$(STAMP): requirements/$(EXTRA).txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: expected Python 3.11, 3.12 or 3.13, found none of them; install one or say PYTHON=/path/to/python3.12"; exit 1; }
	@"$(PYTHON)" -c '$(SUPPORTED)' || { echo "make: expected Python 3.11, 3.12 or 3.13, received $$("$(PYTHON)" -V 2>&1) as PYTHON=$(PYTHON)"; exit 1; }
	@if ls .venv/installed-* >/dev/null 2>&1 && ! ls .venv/installed-$(EXTRA) >/dev/null 2>&1; then \
		echo "make: .venv holds the other TensorFlow distribution; run make clean first"; exit 1; fi
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/$(EXTRA).txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/docs-installed: $(STAMP) requirements/docs.txt
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/docs.txt
	@touch $@

# Keeps the locked versions where they still fit; delete the file first to move to the newest ones.
lock:
	"$(PYTHON)" -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv
	for extra in cpu gpu; do build/lock/bin/uv pip compile pyproject.toml --universal \
		--python-version 3.11 --extra $$extra --extra dicom-out --extra remote --extra ocr \
		--extra test \
		--generate-hashes --no-header --quiet \
		--output-file requirements/$$extra.txt >/dev/null || exit 1; done
	build/lock/bin/uv pip compile --group docs --constraint requirements/cpu.txt --universal \
		--python-version 3.11 --generate-hashes --no-header --quiet \
		--output-file requirements/docs.txt >/dev/null

# A venv of its own: what lists the packages is none of them.
sbom: $(STAMP)  ## every package that is used: build/sbom.json (CycloneDX), build/licences.md
	"$(PYTHON)" -m venv build/sbom
	build/sbom/bin/python -m pip install --quiet "cyclonedx-bom>=7,<8"
	build/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/sbom.json $(BIN)/python
	$(BIN)/python scripts/list_licences.py build/sbom.json --out build/licences.md

clean:
	rm -rf .venv out build .pytest_cache .ruff_cache *.egg-info
