# make run    the default study (or STUDY=studies/oasis.yaml), then its report; REPAIR=1 makes anew what is damaged or gone
# make test   every test; make test-fast leaves out those that run the workflow; make test-slurm, as root on Debian, is apart
# make verify  whether the results and what they were made from are still the same; REPAIR=1 deletes what is damaged
# make missing  names the files that the study makes and that are gone
# make bench-registration, make bench-labels   how good and how quick, on the real scans in HEADSTART_DATA
# make bench-lesions, make bench-scaling   what evaluation, and Snakemake's bookkeeping, cost at the size of the paper's study
# make bench-faults   what happens at each fault that is tried, as root
# make bad-inputs   what headstart says of every kind of broken scan; they are written to results/bad-inputs
# Both set up .venv from the lock first; a second call installs nothing anew.

PYTHON ?= python3
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
STUDY ?=
NAME = $(shell $(BIN)/python -c "import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))['study'])" $(or $(STUDY),config.yaml))
GPUS = $(shell nvidia-smi --list-gpus 2>/dev/null | wc -l)
SNAKEMAKE = env PATH="$(CURDIR)/$(BIN):$$PATH" NO_ET=1 $(BIN)/snakemake --cores $(CORES) \
	$(if $(filter-out 0,$(GPUS)),--resources gpu=$(GPUS)) $(if $(STUDY),--configfile $(STUDY))
VERIFY = PYTHONPATH=workflow_scripts $(BIN)/python -m headstart.provenance.verify $(if $(STUDY),--configfile $(STUDY)) \
	$(if $(REPAIR),--repair)
MISSING = $(SNAKEMAKE) --summary | awk -F '\t' '$$5 == "missing" { print $$1 }'
# By itself Snakemake makes anew only what `all`, or a job to run, asks for.
FORCED = (echo write_provenance; $(MISSING)) | tr '\n' '\0' | xargs -0

.PHONY: setup run report verify missing test test-fast test-slurm bad-inputs lint format lock bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: envs/requirements.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'headstart needs Python 3.11 or later; call make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.txt
	touch $@

run: setup
	$(if $(REPAIR),-$(VERIFY))
	$(if $(REPAIR),$(FORCED)) env PYTHONPATH=workflow_scripts $(SNAKEMAKE) --logger headstart $(if $(REPAIR),--forcerun)
	$(MAKE) report

report: setup
	$(SNAKEMAKE) --quiet all --report results/$(NAME)/report.html
	@echo "read results/$(NAME)/report.html"

verify: setup
	$(VERIFY)

missing: setup
	@$(MISSING)

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slurm"

test-fast: setup
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not workflow"

test-slurm: setup
	tests/slurm/cluster.sh install
	$(BIN)/python -m pytest -m slurm

bad-inputs: setup
	PYTHONPATH=workflow_scripts $(BIN)/python tests/bad_inputs.py results/bad-inputs

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check --compact-diff Snakefile rules
	$(BIN)/python tests/secrets_scan.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# Resolved afresh; torch's local version (+cpu) is left off, so that each machine takes the build that fits it.
lock:
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet --requirement envs/requirements.in
	(echo "# Made by make lock from requirements.in; change that instead."; \
	 $(VENV)-lock/bin/pip freeze | sed 's/+cpu$$//') > envs/requirements.txt
	$(PYTHON) envs/environment.py > envs/environment.yaml
	rm -rf $(VENV)-lock

bench: setup
	PYTHONPATH=workflow_scripts $(BIN)/python benchmarks/stages.py

bench-faults bench-lesions bench-scaling bench-training: bench-%: setup
	$(BIN)/python benchmarks/$*.py

bench-%: setup
	$(BIN)/python benchmarks/$*.py "$${HEADSTART_DATA:?set it to the folder of the real scans; see docs/data.md}"

clean:
	rm -rf results .snakemake
