"""Commands for who runs a deployed stack: `make smoke`, `make release`, `make destroy`."""
