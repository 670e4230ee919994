"""Rollcall's shared house: the pure domain, the store, settings, logs and the commands."""
