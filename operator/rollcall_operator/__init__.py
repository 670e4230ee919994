"""The kopf shell: it watches, gathers and applies; every rule lives in `rollcall.domain`."""
