# make run           run the default study (or STUDY=studies/oasis.yaml) and write its report; REPAIR=1 also restores
#                    results that are damaged or missing
# make study         write studies/NAME.yaml for the scans in a folder, and say how long it takes: make study NAME=mine
#                    FOLDER=~/my-bids; LABELS=part-of-their-names chooses among several kinds of label files,
#                    ENTRY='key: value, ...' sets keys of the dataset (docs/data.md), FORCE=1 overwrites the file
# make report        write the report of a finished study
# make verify        check that results, code, packages and configuration are unchanged; REPAIR=1 deletes damaged results
# make missing       list the study's missing files
# make test          run all tests; test-fast: without those that run the workflow; test-slurm: on a real Slurm, as root;
#                    test-publish: those that load a published model with torchvision and timm, installed for them alone
# make lint, format  check, or apply, the code style
# make docs          generate docs/configuration.md and docs/workflow.md
# make lock          resolve envs/requirements.in and envs/publish.in again
# make bench         time and memory of each stage of a finished study
# make bench-registration, bench-further-images, bench-first-image, bench-labels, bench-tradeoff
#                    accuracy and speed on the real scans in HEADSTART_DATA
# make bench-lesions, bench-scaling, bench-training, bench-layout, bench-augmentation
#                    cost of evaluation, scheduling, training and augmentation; no data needed
# make bench-first-gpu  tests, speed and profile of the engine on a GPU, beside what is aimed at
# make bench-forecast   how often forecasts of labelled scans hold, in simulations and on measured learning curves
# make bench-intervals   coverage of confidence intervals, false claims and power, in simulated studies
# make bench-compare  the same for differences between studies, with training sets of their own or in common
# make bench-folds   the same for cross-validation of few scans, beside a fixed test set
# make bench-head-start   gains of sources (docs/findings.md), with the real scans in HEADSTART_DATA; WORKERS=8 on a GPU
# make bench-strokes  the same for strokes painted into these scans; about an hour of two cores
# make bench-planted-truth   a whole study of sources that are known to be better than scratch, equal, and worse
# make bench-first-layer   two ways for networks that were pre-trained on one image to take a second; an hour of two cores
# make bench-faults  what happens at each simulated fault, as root
# make bad-inputs    print the message for each kind of faulty scan, folder, table, file of weights and setting; the
#                    examples go to results/bad-inputs
# Each target first installs the packages of the lock into .venv if they are not there yet.

PYTHON ?= python3
CORES ?= all
WORKERS ?= 1
VENV := .venv
BIN := $(VENV)/bin
PUBLISH := $(VENV)-publish
STUDY ?=
RESULTS = $(shell PYTHONPATH=workflow_scripts $(BIN)/python -c "import sys; from headstart import settings; \
	config = settings.of_project('.', *sys.argv[1:]); print(config['results'] + '/' + config['study'])" $(STUDY))
# The GPUs that CUDA_VISIBLE_DEVICES leaves, if it is set, by number or UUID.
GPUS = $(shell { [ -z "$${CUDA_VISIBLE_DEVICES+set}" ] && nvidia-smi --list-gpus 2>/dev/null \
	|| echo "$$CUDA_VISIBLE_DEVICES" | tr , '\n'; } | grep -c .)
# Snakemake needs a place for its cache, also where the home folder cannot be written to.
CACHE = $(shell { test -d "$$HOME" && test -w "$$HOME"; } || echo 'XDG_CACHE_HOME="$(CURDIR)/.snakemake/cache"')
SNAKEMAKE = env PATH="$(CURDIR)/$(BIN):$$PATH" NO_ET=1 $(CACHE) $(BIN)/snakemake --cores $(CORES) \
	$(if $(filter-out 0,$(GPUS)),--resources gpu=$(GPUS)) $(if $(STUDY),--configfile $(STUDY))
VERIFY = PYTHONPATH=workflow_scripts $(BIN)/python -m headstart.provenance.verify $(if $(STUDY),--configfile $(STUDY)) \
	$(if $(REPAIR),--repair)
MISSING = $(SNAKEMAKE) --summary | awk -F '\t' '$$5 == "missing" { print $$1 }'
# Without --forcerun Snakemake only recreates missing files that `all` or a job to run needs.
FORCED = (echo write_provenance; $(MISSING)) | tr '\n' '\0' | xargs -0

.PHONY: setup study run report verify missing test test-fast test-slurm test-publish bad-inputs docs lint format lock bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: envs/requirements.txt
	@$(PYTHON) -c "import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit('headstart runs on Python 3.11 to 3.13 and $(PYTHON) is %d.%d; call make PYTHON=python3.13, for instance.' % v[:2])"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.txt
	touch $@

# As they were typed: folders may have quotes, spaces and dollar signs in their names.
study: export STUDY_NAME = $(value NAME)
study: export STUDY_FOLDER = $(value FOLDER)
study: export STUDY_LABELS = $(value LABELS)
study: export STUDY_ENTRY = $(value ENTRY)
study: setup
	@PYTHONPATH=workflow_scripts $(BIN)/python -m headstart.begin.study --name="$$STUDY_NAME" --folder="$$STUDY_FOLDER" \
		--labels="$$STUDY_LABELS" --entry="$$STUDY_ENTRY" $(if $(FORCE),--force)
	@echo "measuring for half a minute how fast this machine trains ..."
	@$(SNAKEMAKE) --quiet all --configfile "studies/$$STUDY_NAME.yaml" -- plan

run: setup
	$(if $(REPAIR),-$(VERIFY))
	$(if $(REPAIR),$(FORCED)) env PYTHONPATH=workflow_scripts $(SNAKEMAKE) --logger headstart $(if $(REPAIR),--forcerun)
	$(MAKE) report

report: setup
	$(SNAKEMAKE) --quiet all --report $(RESULTS)/report.html
	@echo "read $(RESULTS)/index.html first; it links to the full report, report.html, beside it"

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

# Its packages lie over those of the lock, of which it has no second copy.
$(PUBLISH)/.installed: envs/publish.txt $(VENV)/.installed
	rm -rf $(PUBLISH) && $(PYTHON) -m venv $(PUBLISH)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $(PUBLISH)/lock.pth
	mv $(PUBLISH)/lock.pth "$$($(PUBLISH)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")"
	$(PUBLISH)/bin/python -m pip install --quiet --requirement envs/publish.txt --constraint envs/requirements.txt
	touch $@

test-publish: $(PUBLISH)/.installed
	$(PUBLISH)/bin/python -m pytest -m publish

bad-inputs: setup
	PYTHONPATH=workflow_scripts $(BIN)/python tests/bad_inputs.py results/bad-inputs
	PYTHONPATH=workflow_scripts $(BIN)/python tests/bad_folders.py results/bad-inputs/folders
	PYTHONPATH=workflow_scripts $(BIN)/python tests/bad_settings.py results/bad-inputs/settings

docs: setup
	$(BIN)/python docs/generate/configuration.py
	$(BIN)/python docs/generate/workflow.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check --compact-diff Snakefile rules
	$(BIN)/python tests/secrets_scan.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# Torch's local version (+cpu) is dropped, so that each machine installs the build that fits it.
lock:
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet --requirement envs/requirements.in
	(echo "# Made by make lock from requirements.in; change that instead."; \
	 $(VENV)-lock/bin/pip freeze | sed 's/+cpu$$//') > envs/requirements.txt
	$(PYTHON) envs/environment.py > envs/environment.yaml
	$(VENV)-lock/bin/pip install --quiet --requirement envs/publish.in --constraint envs/requirements.txt
	(echo "# Made by make lock from publish.in, for use with requirements.txt; change publish.in instead."; \
	 $(VENV)-lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf envs/requirements.txt) > envs/publish.txt
	rm -rf $(VENV)-lock

bench: setup
	PYTHONPATH=workflow_scripts $(BIN)/python benchmarks/stages.py

bench-augmentation bench-compare bench-faults bench-folds bench-forecast bench-intervals bench-layout bench-lesions bench-scaling bench-training: bench-%: setup
	$(BIN)/python benchmarks/$*.py

bench-strokes: setup
	$(BIN)/python benchmarks/simulated_strokes.py "$${HEADSTART_DATA:?set it to the folder of the real scans; see docs/data.md}"
	$(SNAKEMAKE) --configfile benchmarks/simulated_strokes.yaml

bench-planted-truth: setup
	$(BIN)/python benchmarks/planted_truth.py
	$(SNAKEMAKE) --configfile benchmarks/planted_truth.yaml

bench-first-layer: setup
	$(SNAKEMAKE) --configfile benchmarks/first_layer.yaml -- slice pretrain
	$(BIN)/python benchmarks/first_layer.py

bench-first-gpu: setup
	$(BIN)/python benchmarks/first_gpu.py

bench-head-start: setup
	$(SNAKEMAKE) --configfile studies/oasis.yaml -- slice
	$(SNAKEMAKE) --configfile studies/phantoms.yaml -- slice
	$(BIN)/python benchmarks/head_start.py --workers $(WORKERS)
	$(BIN)/python benchmarks/head_start_table.py

bench-%: setup
	$(BIN)/python benchmarks/$(subst -,_,$*).py "$${HEADSTART_DATA:?set it to the folder of the real scans; see docs/data.md}"

clean:
	rm -rf results .snakemake
