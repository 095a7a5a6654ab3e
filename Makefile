PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test reliability lint clean

demo: .venv/installed ## search a block for handwritten digits, then train and test it
	$(BIN)/python examples/demo.py

test: .venv/dev lint ## everything that must hold before a change lands
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone

reliability: .venv/dev ## every kill, disk error and power loss, hundreds of schedules; docs/reliability.md
	BLOCKQNN_TESTS=full BLOCKQNN_FUZZ=10000 $(BIN)/python -m pytest -s --timeout 7200 \
		tests/faults/test_sweeps.py tests/faults/test_cluster.py tests/faults/test_bit_rot.py \
		tests/property/test_search_machine.py tests/property/test_fuzz.py \
		tests/property/test_damaged_runs.py tests/property/test_fuzz_files.py \
		tests/unit/test_scheduling.py

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv dist build
