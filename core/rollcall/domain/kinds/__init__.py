"""The catalogue: one file per kind, data first; `rollcall.domain.kinds.catalogue` finds them."""
