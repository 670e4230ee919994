// Whose custom resource definitions the chart is tried against: nothing is compiled, they are in the modules as files.
module rollcall.dev/chart-crds

go 1.26.0

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
