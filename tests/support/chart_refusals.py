"""Values of the chart that are wrong, each with the sentence, or a part of it, by which Helm refuses it."""

from typing import Any

from support.chart_cases import CASES, REPORTS, bundled, cloudnativepg, external, issuer, named_namespaces

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
    "a DSN for a host": (external(host="postgresql://db"), "at '/database/external/host'"),
    "an unknown sslmode": (external(host="db", sslMode="maybe"), "at '/database/external/sslMode'"),
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
    "no issuer": (issuer(audiences=["rollcall"]), "oidc, and config.api.oidc.issuer is not set"),
    "an issuer for nobody": (issuer(issuer="https://sso.example.com"), "config.api.oidc.audiences is not set"),
    "the authority of no issuer": (
        {"oidc": {"caSecret": "sso-ca"}},
        "oidc.caSecret is given, and config.api.authentication is kubernetes",
    ),
    "an unknown scope": ({"rbac": {"scope": "project"}}, "at '/rbac/scope'"),
    "no namespace named": (named_namespaces(namespaces=[]), "rbac.scope is namespaces, and rbac.namespaces is empty"),
    "a namespace named twice": (named_namespaces(namespaces=["a", "a"]), "at '/rbac/namespaces'"),
    "a pattern of namespaces": (named_namespaces(namespaces=["team-*"]), "at '/rbac/namespaces/0'"),
    "named namespaces of a nameless cluster": (
        {"rbac": named_namespaces()["rbac"]},
        "rbac.scope is namespaces, and config.cluster.id is not set",
    ),
    "named namespaces by tokens of an issuer": (
        {**named_namespaces(), "config": {**named_namespaces()["config"], "api": {"authentication": "oidc"}}},
        "rbac.scope is namespaces, and config.api.authentication is oidc",
    ),
    "named namespaces and kubectl": (
        {**named_namespaces(), "aggregatedApi": {"enabled": True}},
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
        named_namespaces(create=False, viewers=[{"kind": "Group", "name": "team-a"}]),
        "rbac.viewers are given, and rbac.create is false",
    ),
    "a viewer from nowhere": (
        named_namespaces(viewers=[{"kind": "ServiceAccount", "name": "reports"}]),
        "at '/rbac/viewers/0'",
    ),
    "a group of a namespace": (
        named_namespaces(viewers=[{"kind": "Group", "name": "team-a", "namespace": "team-a"}]),
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
    "a name with a space": ({"nameOverride": "My Name"}, "at '/nameOverride'"),
    "names that begin with a digit": ({"fullnameOverride": "2nd"}, "at '/fullnameOverride'"),
    "an image with two tags": ({"image": {"repository": "registry.example/rollcall:main"}}, "at '/image/repository'"),
    "a tag with a space": ({"image": {"tag": "my tag"}}, "at '/image/tag'"),
    "an account that nobody names": (
        {"operator": {"serviceAccount": {"create": False}}},
        "at '/operator/serviceAccount/name'",
    ),
    "one account for both": (
        {component: {"serviceAccount": {"name": "rollcall"}} for component in ("operator", "api")},
        "operator.serviceAccount.name and api.serviceAccount.name are both rollcall",
    ),
    "root": ({"podSecurityContext": {"runAsUser": 0}}, "at '/podSecurityContext/runAsUser'"),
    "a volume of no mode": (bundled(persistence={"accessModes": []}), "at '/database/bundled/persistence/accessModes'"),
    "a volume of a mode that is none": (
        bundled(persistence={"accessModes": ["ReadWrite"]}),
        "at '/database/bundled/persistence/accessModes/0'",
    ),
    "a key that no Secret has": (bundled(passwordKey="my password"), "at '/database/bundled/passwordKey'"),
    "verified by nobody": (
        external(host="db", sslMode="verify-full"),
        "database.external.sslMode is verify-full, and database.external.caSecret is not set",
    ),
    "an authority that verifies nothing": (
        external(host="db", caSecret="db-ca"),
        'database.external.caSecret is given, and database.external.sslMode is ""',
    ),
    "a database beside the one that is used": (
        {"database": {"external": {"existingSecret": "db", "dsnKey": "dsn"}}},
        "database.external.existingSecret is given, and database.mode is bundled",
    ),
    "a node port without nodes": (
        {"api": {"service": {"nodePort": 30080}}},
        "api.service.nodePort is given, and api.service.type is ClusterIP",
    ),
    "two that write": (
        {"config": {"operator": {"leaderElection": False}}},
        "config.operator.leaderElection is false, and operator.replicas is 2",
    ),
    "a port that is root's": ({"config": {"api": {"port": 80}}}, "at '/config/api/port'"),
    "a password in an address": (
        {"config": {"prometheus": {"url": "https://user:hunter2@prometheus.example"}}},
        "config.prometheus.url holds a user or a password, and would stand in a ConfigMap",
    ),
    "an issuer that nobody asks": (
        {"config": {"api": {"oidc": {"issuer": "https://sso.example.com", "audiences": ["rollcall"]}}}},
        "config.api.oidc is given, and config.api.authentication is kubernetes",
    ),
    "an issuer behind a wall": (
        {
            **issuer(issuer="https://sso.example.com", audiences=["rollcall"]),
            "networkPolicy": {"enabled": True, "apiServer": {"cidrs": ["10.0.0.1/32"]}},
        },
        "let it reach the issuer by networkPolicy.extraEgress",
    ),
    "an authority of a certificate that is made": (
        {"aggregatedApi": {"enabled": True, "certificate": {"caBundle": "bm90aGluZw=="}}},
        "aggregatedApi.certificate.caBundle is given, and aggregatedApi.certificate.existingSecret is not",
    ),
    "kubectl on the Service's port": (
        {"aggregatedApi": {"enabled": True}, "api": {"service": {"port": 443}}},
        "api.service.port is 443",
    ),
    "a host that is none": ({"ingress": {"enabled": True, "hosts": ["Rollcall Example"]}}, "at '/ingress/hosts/0'"),
    "a label of the chart's own": (
        {"commonLabels": {"app.kubernetes.io/managed-by": "ops"}},
        "commonLabels has app.kubernetes.io/managed-by, which the chart sets",
    ),
    "a pod's label of the chart's own": (
        {"api": {"podLabels": {"app.kubernetes.io/component": "web"}}},
        "api.podLabels has app.kubernetes.io/component, which the chart sets",
    ),
    "a section taken back": ({"ingress": None}, "missing property 'ingress'"),
    "a mode taken back": ({"database": {"mode": None}}, "at '/database': missing property 'mode'"),
    "a port taken back": ({"config": {"api": {"port": None}}}, "at '/config/api': missing property 'port'"),
    "a budget of nonsense": (
        {"api": {"podDisruptionBudget": {"maxUnavailable": "few"}}},
        "at '/api/podDisruptionBudget",
    ),
}
"""Values that are wrong, and what of the sentence says so."""

NEEDS_AN_OPERATOR: dict[str, tuple[dict[str, Any], str]] = {
    "cloudnativepg": (cloudnativepg(), "this cluster serves no postgresql.cnpg.io/v1"),
    "gateway": (CASES["gateway"], "this cluster serves no gateway.networking.k8s.io/v1"),
    "service monitors": (CASES["service monitors"], "this cluster serves no monitoring.coreos.com/v1"),
    "alerts": (CASES["alerts"], "this cluster serves no monitoring.coreos.com/v1"),
}
"""Values that a cluster without the operator they are for refuses, and how."""
