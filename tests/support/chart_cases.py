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


def external(**values: Any) -> dict[str, Any]:
    """An external database."""
    return {"database": {"mode": "external", "external": {"existingSecret": "rollcall-db", **values}}}


def cloudnativepg(**values: Any) -> dict[str, Any]:
    """A Cluster of CloudNativePG's."""
    return {"database": {"mode": "cloudnativepg", "cloudnativepg": values}}


def bundled(**values: Any) -> dict[str, Any]:
    """The bundled database."""
    return {"database": {"bundled": values}}


def named_namespaces(**values: Any) -> dict[str, Any]:
    """Named namespaces, of a cluster that has an id."""
    rbac = {"scope": "namespaces", "namespaces": ["team-a", "team-b"], **values}
    return {"rbac": rbac, "config": {"cluster": {"id": "5a3b1c52-6f0e-4b6c-9d6e-0c3c1b6a7f10"}}}


def issuer(**oidc: Any) -> dict[str, Any]:
    """An issuer of tokens."""
    return {"config": {"api": {"authentication": "oidc", "oidc": oidc}}}


CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "another name": {"nameOverride": "roll"},
    "a name for all": {"fullnameOverride": "workload-records"},
    "labels": {"commonLabels": {"cost-centre": "42"}},
    "image by digest": {"image": {"repository": "registry.example/rollcall", "digest": "sha256:" + "0" * 64}},
    "image by tag": {"image": {"tag": "main", "pullPolicy": "Always"}, "imagePullSecrets": ["registry", "other"]},
    "bundled: a password that is there": bundled(existingSecret="my-password", passwordKey="pg"),
    "bundled: a volume": bundled(persistence={"size": "200Gi", "storageClass": "fast"}),
    "bundled: bytes": bundled(persistence={"size": 10_000_000_000}),
    "bundled: parameters": bundled(parameters={"max_connections": 300, "shared_buffers": "1GB", "jit": False}),
    "bundled: placed": bundled(**POD),
    "bundled: image": bundled(image={"repository": "registry.example/postgres", "tag": "18", "digest": ""}),
    "external: a DSN": EXTERNAL,
    "external: host and password": external(host="db.example", port=6432, name="roll-call", user="roll@call"),
    "external: verified": external(host="db.example", sslMode="verify-full", caSecret="db-ca", caKey="root.crt"),
    "external: client certificate": external(
        host="db.example", sslMode="verify-ca", caSecret="db-ca", clientCertificateSecret="db-client"
    ),
    "external: a user of two words": external(host="db.example", name="roll call", user="a+b c"),
    "cloudnativepg": cloudnativepg(),
    "cloudnativepg: one instance": cloudnativepg(instances=1, storage={"size": "5Gi", "storageClass": "fast"}),
    "cloudnativepg: parameters": cloudnativepg(
        parameters={"max_connections": 300}, imageName="registry.example/postgresql:17", monitoring=True
    ),
    "cloudnativepg: bytes": cloudnativepg(storage={"size": 10_000_000_000}),
    "one of each": {"operator": {"replicas": 1}, "api": {"replicas": 1}},
    "none of each": {"operator": {"replicas": 0}, "api": {"replicas": 0}},
    "operator: placed": {"operator": POD},
    "operator: extras": {"operator": EXTRAS},
    "numbers of the cluster's own": {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "database": {"bundled": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}},
    },
    "names of digits": {
        "operator": {"serviceAccount": {"name": "1"}},
        "api": {"serviceAccount": {"name": "2"}},
        "imagePullSecrets": ["3"],
        "applications": [{"name": "4", "serviceAccount": "team-a/5", "existingSecret": "6", "secretKey": "7"}],
        "prometheus": {"tokenSecret": "8", "tokenKey": "9", "caSecret": "10", "caKey": "11"},
        "config": {"prometheus": {"url": "http://prometheus.monitoring:9090"}, "cluster": {"name": "12"}},
        "database": {"mode": "external", "external": {"existingSecret": "13", "dsnKey": "14"}},
    },
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
    "named namespaces": named_namespaces(),
    "named namespaces: viewers": named_namespaces(
        viewers=[
            {"kind": "Group", "name": "sso:team-a"},
            {"kind": "User", "name": "ada@example.com"},
            {"kind": "ServiceAccount", "name": "reports", "namespace": "team-a"},
        ]
    ),
    "named namespaces: a taught kind": named_namespaces(
        extraRules=[{"apiGroups": ["example.com"], "resources": ["runs"], "verbs": ["get", "list", "watch"]}]
    ),
    "named namespaces: no rights": named_namespaces(create=False),
    "named namespaces: applications": {
        **named_namespaces(namespaces=["team-a"]),
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
    "an issuer": issuer(issuer="https://sso.example.com/realms/lab", audiences=["rollcall"], groupsPrefix="sso:"),
    "an issuer with a certificate of its own": {
        **issuer(issuer="https://sso.example.com", audiences=["rollcall", "rollcall-cli"]),
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
    "network: cloudnativepg": {**cloudnativepg(), "networkPolicy": {"enabled": True}},
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
