"""The workloads as an aggregated API of Kubernetes, ``rollcall.dev/v1``: what kubectl reads, on its own listener."""
