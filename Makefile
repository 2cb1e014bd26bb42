# Every command of the project. What is longer than a line or two lives in scripts/.
# ARGS goes to the command: make test ARGS="tests/unit -k calendar", make lock ARGS=--upgrade

.DEFAULT_GOAL := help
.PHONY: help venv demo dev test check bench lock

help:   ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

demo: venv   ## bill a make-believe site of 1,000 projects for last month
	.venv/bin/rcbill demo $(ARGS)

dev: venv   ## look at it in the browser: http://localhost:3000
	.venv/bin/rcbill dev $(ARGS)

test: venv   ## everything: check, then the tests, with real databases
	scripts/test.sh $(ARGS)

check: venv   ## lint, format and types, in seconds
	scripts/check.sh

bench: venv   ## measure; benchmarks/README.md tells the numbers
	.venv/bin/python -m benchmarks $(ARGS)

lock:   ## pin the dependencies of pyproject.toml, with hashes, in requirements.lock
	scripts/lock.sh $(ARGS)

# Not a file target: the script itself knows, in milliseconds, whether .venv is whole and belongs to this lock file.
venv:
	@scripts/venv.sh
