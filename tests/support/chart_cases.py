"""Values of the chart as admins may give them: each is rendered, and each object shown to an API server."""

from typing import Any

EXTERNAL = {"database": {"mode": "external", "external": {"existingSecret": "rollcall-db", "dsnKey": "dsn"}}}
REPORTS = {"name": "reports", "serviceAccount": "team-a/reports", "existingSecret": "reports-client"}
POD = {
    "podLabels": {"team": "platform"},
    "podAnnotations": {"example.com/note": "yes"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "other"}}}
            ]
        }
    },
    "priorityClassName": "important",
}
EXTRAS = {
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
    "extraEnvFrom": [{"secretRef": {"name": "more", "optional": True}}],
    "extraVolumes": [{"name": "more", "configMap": {"name": "more", "optional": True}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/etc/more", "readOnly": True}],
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "rollcall"}},
        }
    ],
}


def _external(**values: Any) -> dict[str, Any]:
    return {"database": {"mode": "external", "external": {"existingSecret": "rollcall-db", **values}}}


def _cloud(**values: Any) -> dict[str, Any]:
    return {"database": {"mode": "cloudnativepg", "cloudnativepg": values}}


def _bundled(**values: Any) -> dict[str, Any]:
    return {"database": {"bundled": values}}


def _named_namespaces(**values: Any) -> dict[str, Any]:
    rbac = {"scope": "namespaces", "namespaces": ["team-a", "team-b"], **values}
    return {"rbac": rbac, "config": {"cluster": {"id": "5a3b1c52-6f0e-4b6c-9d6e-0c3c1b6a7f10"}}}


def _issuer(**oidc: Any) -> dict[str, Any]:
    return {"config": {"api": {"authentication": "oidc", "oidc": oidc}}}


CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "another name": {"nameOverride": "roll"},
    "a name for all": {"fullnameOverride": "workload-records"},
    "labels": {"commonLabels": {"cost-centre": "42"}},
    "image by digest": {"image": {"repository": "registry.example/rollcall", "digest": "sha256:" + "0" * 64}},
    "image by tag": {"image": {"tag": "main", "pullPolicy": "Always"}, "imagePullSecrets": ["registry", "other"]},
    "bundled: a password that is there": _bundled(existingSecret="my-password", passwordKey="pg"),
    "bundled: a volume": _bundled(persistence={"size": "200Gi", "storageClass": "fast"}),
    "bundled: parameters": _bundled(parameters={"max_connections": 300, "shared_buffers": "1GB", "jit": False}),
    "bundled: placed": _bundled(**POD),
    "bundled: image": _bundled(image={"repository": "registry.example/postgres", "tag": "18", "digest": ""}),
    "external: a DSN": EXTERNAL,
    "external: host and password": _external(host="db.example", port=6432, name="roll-call", user="roll@call"),
    "external: verified": _external(host="db.example", sslMode="verify-full", caSecret="db-ca", caKey="root.crt"),
    "external: client certificate": _external(
        host="db.example", sslMode="verify-ca", caSecret="db-ca", clientCertificateSecret="db-client"
    ),
    "cloudnativepg": _cloud(),
    "cloudnativepg: one instance": _cloud(instances=1, storage={"size": "5Gi", "storageClass": "fast"}),
    "cloudnativepg: parameters": _cloud(
        parameters={"max_connections": 300}, imageName="registry.example/postgresql:17", monitoring=True
    ),
    "one of each": {"operator": {"replicas": 1}, "api": {"replicas": 1}},
    "none of each": {"operator": {"replicas": 0}, "api": {"replicas": 0}},
    "operator: placed": {"operator": POD},
    "operator: extras": {"operator": EXTRAS},
    "operator: no election": {"config": {"operator": {"leaderElection": False}}, "operator": {"replicas": 1}},
    "api: placed": {"api": POD},
    "api: extras": {"api": EXTRAS},
    "api: no drain": {"api": {"drainSeconds": 0}},
    "api: autoscaled": {"api": {"autoscaling": {"enabled": True}}},
    "api: autoscaled by memory": {
        "api": {
            "autoscaling": {
                "enabled": True,
                "minReplicas": 3,
                "maxReplicas": 9,
                "targetCPUUtilizationPercentage": None,
                "targetMemoryUtilizationPercentage": 70,
            }
        }
    },
    "api: on a node port": {"api": {"service": {"type": "NodePort", "port": 8080, "nodePort": 30080}}},
    "api: load balancer": {
        "api": {"service": {"type": "LoadBalancer", "annotations": {"example.com/internal": "true"}}}
    },
    "budgets by percentage": {"api": {"podDisruptionBudget": {"maxUnavailable": "25%"}}},
    "no budgets": {
        "operator": {"podDisruptionBudget": {"enabled": False}},
        "api": {"podDisruptionBudget": {"enabled": False}},
    },
    "accounts that are there": {
        "operator": {"serviceAccount": {"create": False, "name": "watcher"}},
        "api": {"serviceAccount": {"create": False, "name": "answerer"}},
    },
    "accounts with a name": {
        "operator": {"serviceAccount": {"name": "watcher", "annotations": {"example.com/role": "reads"}}},
        "api": {"serviceAccount": {"name": "answerer"}},
    },
    "kubectl": {"aggregatedApi": {"enabled": True}},
    "kubectl: a certificate that is there": {
        "aggregatedApi": {
            "enabled": True,
            "port": 9443,
            "certificate": {"existingSecret": "rollcall-serving", "caBundle": "bm90aGluZw=="},
        }
    },
    "kubectl: a certificate of cert-manager": {
        "aggregatedApi": {
            "enabled": True,
            "annotations": {"cert-manager.io/inject-ca-from": "rollcall/rollcall-serving"},
            "certificate": {"existingSecret": "rollcall-serving"},
        },
        "networkPolicy": {"enabled": True},
    },
    "no rights": {"rbac": {"create": False}},
    "rights: not aggregated": {"rbac": {"aggregateToDefaultRoles": False}},
    "rights: a taught kind": {
        "rbac": {
            "extraRules": [{"apiGroups": ["example.com"], "resources": ["runs"], "verbs": ["get", "list", "watch"]}]
        }
    },
    "named namespaces": _named_namespaces(),
    "named namespaces: viewers": _named_namespaces(
        viewers=[
            {"kind": "Group", "name": "sso:team-a"},
            {"kind": "User", "name": "ada@example.com"},
            {"kind": "ServiceAccount", "name": "reports", "namespace": "team-a"},
        ]
    ),
    "named namespaces: a taught kind": _named_namespaces(
        extraRules=[{"apiGroups": ["example.com"], "resources": ["runs"], "verbs": ["get", "list", "watch"]}]
    ),
    "named namespaces: no rights": _named_namespaces(create=False),
    "named namespaces: applications": {
        **_named_namespaces(namespaces=["team-a"]),
        "applications": [REPORTS],
        "networkPolicy": {"enabled": True},
    },
    "kinds taught elsewhere": {"config": {"operator": {"kindsNamespace": "team-a"}}},
    "an application": {"applications": [REPORTS]},
    "applications": {
        "applications": [
            REPORTS,
            {**REPORTS, "existingSecret": "reports-client-new", "secretKey": "hash"},
            {"name": 'a b: "c"', "serviceAccount": "team-b/others", "existingSecret": "others-client"},
        ]
    },
    "applications without rights": {"applications": [REPORTS], "rbac": {"create": False}},
    "prometheus": {
        "config": {"prometheus": {"url": "https://prometheus.monitoring:9090", "timeoutSeconds": 2.5}},
        "prometheus": {"tokenSecret": "prometheus", "caSecret": "prometheus-ca"},
    },
    "an issuer": _issuer(issuer="https://sso.example.com/realms/lab", audiences=["rollcall"], groupsPrefix="sso:"),
    "an issuer with a certificate of its own": {
        **_issuer(issuer="https://sso.example.com", audiences=["rollcall", "rollcall-cli"]),
        "oidc": {"caSecret": "sso-ca", "caKey": "root.crt"},
    },
    "settings": {
        "config": {
            "cluster": {"name": "blue", "projectLabels": ["team", "example.com/team"], "nodePoolLabels": ["pool"]},
            "operator": {"retentionDays": 1000000, "flushIntervalSeconds": 0.5, "port": 9081},
            "api": {"port": 9080, "reviewCacheSeconds": 5},
            "log": {"level": "debug"},
        }
    },
    "ingress": {"ingress": {"enabled": True, "hosts": ["rollcall.example.com"]}},
    "ingress: TLS": {
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"cert-manager.io/cluster-issuer": "ca"},
            "hosts": ["rollcall.example.com", "rollcall.example.org"],
            "tls": [{"secretName": "rollcall-tls", "hosts": ["rollcall.example.com"]}],
        }
    },
    "gateway": {
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "team-a", "sectionName": "https"}],
            "hostnames": ["rollcall.example.com"],
            "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["X-Forwarded-User"]}}],
        }
    },
    "network": {"networkPolicy": {"enabled": True}},
    "network: narrow": {
        **EXTERNAL,
        "config": {"prometheus": {"url": "http://prometheus.monitoring:9090"}},
        "networkPolicy": {
            "enabled": True,
            "apiFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "apiServer": {"cidrs": ["10.0.0.1/32", "fd00::1/128"], "ports": [6443]},
            "databaseTo": [{"ipBlock": {"cidr": "10.1.2.0/24"}}],
            "databasePort": 6432,
            "prometheusTo": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "extraEgress": [{"ports": [{"port": 443}], "to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}],
        },
    },
    "network: cloudnativepg": {**_cloud(), "networkPolicy": {"enabled": True}},
    "service monitors": {"monitoring": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}},
    "pod monitors": {"monitoring": {"podMonitor": {"enabled": True, "interval": "1m"}}},
    "alerts": {"monitoring": {"prometheusRule": {"enabled": True, "queueDepth": 5000, "labels": {"release": "p"}}}},
    "dashboards": {
        "monitoring": {"dashboards": {"enabled": True, "namespace": "team-a", "annotations": {"folder": "GPUs"}}}
    },
    "everything": {
        "applications": [REPORTS],
        "operator": {**POD, **EXTRAS},
        "api": {**POD, **EXTRAS, "autoscaling": {"enabled": True}},
        "ingress": {"enabled": True, "hosts": ["rollcall.example.com"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
        "networkPolicy": {"enabled": True},
        "monitoring": {
            "serviceMonitor": {"enabled": True},
            "prometheusRule": {"enabled": True},
            "dashboards": {"enabled": True},
        },
    },
}

NAMESPACES = ("team-a", "team-b")
"""What the cases name beside the release's own."""

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such value": ({"databse": {}}, "additional properties 'databse' not allowed"),
    "no such setting": ({"config": {"operator": {"retention": 3}}}, "additional properties 'retention' not allowed"),
    "a secret as a setting": ({"config": {"database": {"dsn": "postgresql://u:p@h/n"}}}, "'dsn' not allowed"),
    "an unknown database": ({"database": {"mode": "sqlite"}}, "must be one of 'bundled', 'external', 'cloudnativepg'"),
    "external without a secret": ({"database": {"mode": "external"}}, "at '/database/external/existingSecret'"),
    "external without an address": (
        {"database": {"mode": "external", "external": {"existingSecret": "db"}}},
        "at '/database/external'",
    ),
    "a DSN for a host": (_external(host="postgresql://db"), "at '/database/external/host'"),
    "an unknown sslmode": (_external(host="db", sslMode="maybe"), "at '/database/external/sslMode'"),
    "nobody asked": ({"config": {"api": {"authentication": "none"}}}, "at '/config/api/authentication'"),
    "a port that is none": ({"config": {"api": {"port": 0}}}, "at '/config/api/port'"),
    "a text for a number": ({"operator": {"replicas": "two"}}, "at '/operator/replicas': got string, want integer"),
    "a negative number": ({"api": {"replicas": -1}}, "at '/api/replicas': minimum: got -1, want 0"),
    "days below one": ({"config": {"operator": {"retentionDays": 0}}}, "at '/config/operator/retentionDays'"),
    "an address without a scheme": (
        {"config": {"prometheus": {"url": "prometheus:9090"}}},
        "at '/config/prometheus/url'",
    ),
    "a list with commas": ({"config": {"cluster": {"projectLabels": ["a,b"]}}}, "at '/config/cluster/projectLabels/0'"),
    "a level that is none": ({"config": {"log": {"level": "loud"}}}, "at '/config/log/level'"),
    "a wrong digest": ({"image": {"digest": "latest"}}, "at '/image/digest'"),
    "a wrong quantity": ({"api": {"resources": {"limits": {"memory": "lots"}}}}, "at '/api/resources/limits/memory'"),
    "an application without a secret": (
        {"applications": [{"name": "a", "serviceAccount": "n/a"}]},
        "missing property 'existingSecret'",
    ),
    "an account without a namespace": (
        {"applications": [{**REPORTS, "serviceAccount": "reports"}]},
        "at '/applications/0/serviceAccount'",
    ),
    "an application's secret in the values": (
        {"applications": [{**REPORTS, "secret": "hunter2"}]},
        "additional properties 'secret' not allowed",
    ),
    "ingress without a host": ({"ingress": {"enabled": True}}, "at '/ingress/hosts'"),
    "gateway without a parent": ({"httpRoute": {"enabled": True}}, "at '/httpRoute/parentRefs'"),
    "autoscaling by nothing": (
        {"api": {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}}},
        "at '/api/autoscaling'",
    ),
    "autoscaling upside down": (
        {"api": {"autoscaling": {"enabled": True, "minReplicas": 9}}},
        "api.autoscaling.minReplicas is more than api.autoscaling.maxReplicas.",
    ),
    "both monitors": (
        {"monitoring": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
        "scrape the same pods: enable one of them.",
    ),
    "no time to end": (
        {"api": {"drainSeconds": 30}},
        "api.terminationGracePeriodSeconds must be more than api.drainSeconds",
    ),
    "rules that nothing holds": (
        {"rbac": {"create": False, "extraRules": [{"apiGroups": [""], "resources": ["x"], "verbs": ["get"]}]}},
        "rbac.extraRules are given, and rbac.create is false",
    ),
    "no issuer": (_issuer(audiences=["rollcall"]), "oidc, and config.api.oidc.issuer is not set"),
    "an issuer for nobody": (_issuer(issuer="https://sso.example.com"), "config.api.oidc.audiences is not set"),
    "the authority of no issuer": (
        {"oidc": {"caSecret": "sso-ca"}},
        "oidc.caSecret is given, and config.api.authentication is kubernetes",
    ),
    "an unknown scope": ({"rbac": {"scope": "project"}}, "at '/rbac/scope'"),
    "no namespace named": (_named_namespaces(namespaces=[]), "rbac.scope is namespaces, and rbac.namespaces is empty"),
    "a namespace named twice": (_named_namespaces(namespaces=["a", "a"]), "at '/rbac/namespaces'"),
    "a pattern of namespaces": (_named_namespaces(namespaces=["team-*"]), "at '/rbac/namespaces/0'"),
    "named namespaces of a nameless cluster": (
        {"rbac": _named_namespaces()["rbac"]},
        "rbac.scope is namespaces, and config.cluster.id is not set",
    ),
    "named namespaces by tokens of an issuer": (
        {**_named_namespaces(), "config": {**_named_namespaces()["config"], "api": {"authentication": "oidc"}}},
        "rbac.scope is namespaces, and config.api.authentication is oidc",
    ),
    "named namespaces and kubectl": (
        {**_named_namespaces(), "aggregatedApi": {"enabled": True}},
        "rbac.scope is namespaces, and aggregatedApi.enabled is true",
    ),
    "namespaces named for the whole cluster": (
        {"rbac": {"namespaces": ["team-a"]}},
        "rbac.namespaces are given, and rbac.scope is cluster",
    ),
    "viewers of the whole cluster": (
        {"rbac": {"viewers": [{"kind": "Group", "name": "team-a"}]}},
        "rbac.viewers are given, and rbac.scope is cluster",
    ),
    "viewers that nothing binds": (
        _named_namespaces(create=False, viewers=[{"kind": "Group", "name": "team-a"}]),
        "rbac.viewers are given, and rbac.create is false",
    ),
    "a viewer from nowhere": (
        _named_namespaces(viewers=[{"kind": "ServiceAccount", "name": "reports"}]),
        "at '/rbac/viewers/0'",
    ),
    "a group of a namespace": (
        _named_namespaces(viewers=[{"kind": "Group", "name": "team-a", "namespace": "team-a"}]),
        "at '/rbac/viewers/0/namespace'",
    ),
    "namespaces as a setting": (
        {"config": {"operator": {"namespaces": ["team-a"]}}},
        "additional properties 'namespaces' not allowed",
    ),
    "kubectl by a certificate that nobody trusts": (
        {"aggregatedApi": {"enabled": True, "certificate": {"existingSecret": "rollcall-serving"}}},
        "aggregatedApi.certificate.existingSecret is given without what has signed it",
    ),
    "kubectl on the port of the rest": (
        {"aggregatedApi": {"enabled": True, "port": 9000}, "config": {"api": {"port": 9000}}},
        "aggregatedApi.port is config.api.port",
    ),
    "a wrong address range": (
        {"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}},
        "at '/networkPolicy/apiServer/cidrs/0'",
    ),
    "a budget of nonsense": (
        {"api": {"podDisruptionBudget": {"maxUnavailable": "few"}}},
        "at '/api/podDisruptionBudget",
    ),
}
"""Values that are wrong, and what of the sentence says so."""

NEEDS_AN_OPERATOR: dict[str, tuple[dict[str, Any], str]] = {
    "cloudnativepg": (_cloud(), "this cluster serves no postgresql.cnpg.io/v1"),
    "gateway": (CASES["gateway"], "this cluster serves no gateway.networking.k8s.io/v1"),
    "service monitors": (CASES["service monitors"], "this cluster serves no monitoring.coreos.com/v1"),
    "alerts": (CASES["alerts"], "this cluster serves no monitoring.coreos.com/v1"),
}
"""Values that a cluster without the operator they are for refuses, and how."""
