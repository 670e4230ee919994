"""Write the manifests of the operator's rights; a test fails when one differs from what the catalogue says.

Run by ``make docs``. Each is a function from nothing to text, as in ``generate.py``.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from rollcall.domain.kinds.catalogue import all_entries
from rollcall_operator.rights import LOOK_UP, Rule, namespace_rules, rules
from rollcall_operator.watched import watched_kinds

MANIFESTS = Path(__file__).resolve().parents[1] / "deploy" / "manifests"

_RIGHTS_HEAD = """\
# What the operator may do: read what the catalogue names, and hold its Lease. Nothing else, anywhere.
# kubectl create namespace rollcall && kubectl apply -f deploy/manifests/operator-rights.yaml
#
# Written by `make docs` from the catalogue; do not edit. To let the operator read further kinds, give a ClusterRole of
# your own the label rollcall.dev/aggregate-to-operator: "true".
apiVersion: v1
kind: ServiceAccount
metadata:
  name: rollcall-operator
  namespace: rollcall
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: rollcall-operator
aggregationRule:
  clusterRoleSelectors:
    - matchLabels:
        rollcall.dev/aggregate-to-operator: "true"
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: rollcall-operator-catalogue
  labels:
    rollcall.dev/aggregate-to-operator: "true"
rules:"""

_CORE = '""'

_LOOK_UP_HEAD = """\
  # What is only looked up: whatever stands between pods and their workload, its metadata; in a Role its namespace."""

_RIGHTS_TAIL = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: rollcall-operator
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: rollcall-operator
subjects:
  - kind: ServiceAccount
    name: rollcall-operator
    namespace: rollcall
"""

_OWN_RIGHTS = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: rollcall-operator
  namespace: rollcall
rules:
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    verbs: [create]
  # What an admin teaches of further kinds.
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [list]
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    resourceNames: [rollcall-operator]
    verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: rollcall-operator
  namespace: rollcall
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: rollcall-operator
subjects:
  - kind: ServiceAccount
    name: rollcall-operator
    namespace: rollcall
"""

_ACCOUNT = """\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: rollcall-operator
  namespace: rollcall
"""

_OWN_RIGHTS_HEAD = """\
# Who the operator is, and what it may do in its own namespace where it watches named namespaces alone.
# kubectl create namespace rollcall && kubectl apply -f deploy/manifests/operator-own-rights.yaml
#
# Written by `make docs`; do not edit.
"""

_NAMESPACE_RIGHTS_HEAD = """\
# What the operator may do in each namespace that ROLLCALL_OPERATOR__NAMESPACES names; nothing of it is cluster-wide.
# kubectl apply -f deploy/manifests/operator-own-rights.yaml
# kubectl apply -n team-a -f deploy/manifests/operator-namespace-rights.yaml
#
# Written by `make docs` from the catalogue; do not edit.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: rollcall-operator-catalogue
rules:"""

_NAMESPACE_RIGHTS_TAIL = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: rollcall-operator-catalogue
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: rollcall-operator-catalogue
subjects:
  - kind: ServiceAccount
    name: rollcall-operator
    namespace: rollcall
"""


def rights_manifest() -> str:
    """The operator's ServiceAccount and all of its rights."""
    return "\n".join([_RIGHTS_HEAD, *_rule_lines(rules(watched_kinds(), all_entries())), _RIGHTS_TAIL]) + _OWN_RIGHTS


def namespace_rights_manifest() -> str:
    """The operator's rights in one named namespace."""
    found = _rule_lines(namespace_rules(watched_kinds(), all_entries()))
    return "\n".join([_NAMESPACE_RIGHTS_HEAD, *found, _NAMESPACE_RIGHTS_TAIL])


def own_rights_manifest() -> str:
    """The operator's ServiceAccount and its rights in its own namespace."""
    return _OWN_RIGHTS_HEAD + _ACCOUNT + _OWN_RIGHTS


def _rule_lines(found: tuple[Rule, ...]) -> Iterator[str]:
    for place, rule in enumerate(found):
        if rule.verbs == LOOK_UP and found[place - 1].verbs != LOOK_UP:
            yield _LOOK_UP_HEAD
        yield f"  - apiGroups: [{rule.group or _CORE}]"
        yield f"    resources: [{', '.join(rule.plurals)}]"
        yield f"    verbs: [{', '.join(rule.verbs)}]"


FILES: dict[Path, Callable[[], str]] = {
    MANIFESTS / "operator-rights.yaml": rights_manifest,
    MANIFESTS / "operator-own-rights.yaml": own_rights_manifest,
    MANIFESTS / "operator-namespace-rights.yaml": namespace_rights_manifest,
}
"""Everything that is written."""


def main() -> None:
    """Write every file."""
    for path, text in FILES.items():
        path.write_text(text())


if __name__ == "__main__":
    main()
