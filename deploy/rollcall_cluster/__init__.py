"""The local cluster: a real Kubernetes control plane on one machine, without containers. For a clone, not the wheel."""
