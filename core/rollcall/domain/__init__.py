"""Pure decisions: Kubernetes objects in, workload records out. No clock, no I/O, no logging."""
