"""Write the page that says which right is for what; a test fails when it differs from what the rules say.

Run by ``make docs``. A rule that is in none of its rows is an error here.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rollcall.domain.autoscaling import AUTOSCALING_KINDS
from rollcall.domain.exposing import EXPOSING_KINDS
from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import all_entries
from rollcall.domain.queues import QUEUE_KINDS
from rollcall_operator.rights import rules
from rollcall_operator.watched import watched_kinds

DOCS = Path(__file__).resolve().parent

_Place = tuple[str, str]
"""A group and a plural."""

_HEAD = """\
# Rights

<!-- Written by `make docs` from the operator's rules and docs/generate_rights_page.py; do not edit. -->

Which right is for what, and what is missing without it; the test suite takes each of them away alone, on a real API
server. Rollcall writes nothing but its one Lease, and reads no Secret.

## The operator

| Right | On | For | Without it |
| --- | --- | --- | --- |"""

_TAIL = """
In named namespaces alone (`ROLLCALL_OPERATOR__NAMESPACES`) a Role in each of them holds the same but for what lies in
no namespace, and `get` on the namespace itself: without it, `namespace_not_readable` in the log, and its labels are not
known. A right that is missing in one of them is told with the namespace's name. The
[manifests](../../deploy/manifests) and the [chart](../../charts/rollcall/README.md) grant the same.

In the operator's own namespace:

| Right | On | For | Without it |
| --- | --- | --- | --- |
| `create`, `get`, `update` | `leases`, the last two on its own alone | one operator that writes, and another that waits | `lease_refused` in the log; it stands by for ever. Not needed with `ROLLCALL_OPERATOR__LEADER_ELECTION=false` |
| `list` | `configmaps` | [kinds that you teach](../how-to/teach-a-kind.md) | `kinds_forbidden` in the log; none are known |

## The API

| Right | On | For | Without it |
| --- | --- | --- | --- |
| `create` | `tokenreviews` | who a token is | nobody is let in: 503 |
| `create` | `subjectaccessreviews` | what its owner may list | nobody sees anything: 503 |
| `create` | `serviceaccounts/token` of declared applications | [tokens for applications](../how-to/applications.md) | `POST /api/v1/token` answers 503 |
| `get` | the ConfigMap `extension-apiserver-authentication` of `kube-system` | [kubectl](../how-to/kubectl.md): whose word the API server's is | kubectl is answered 401 |
| `get` | the namespace `kube-system` | kubectl: which cluster this is | it does not start, unless `ROLLCALL_CLUSTER__ID` is set |

With `ROLLCALL_API__REVIEWS=self` the first two are not needed:
[callers ask for themselves](../how-to/authentication.md#with-no-right-of-its-own).
"""  # noqa: E501 - rows of tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What some rights are for."""

    verbs: tuple[str, ...]
    places: Collection[_Place]
    shown: str = ""
    """Instead of the plurals."""
    what: str
    without: str


def _purposes() -> tuple[Purpose, ...]:
    entries = [entry for entry in all_entries() if entry.watched and entry.plural != "pods"]
    kinds = {(entry.key.group, entry.plural) for entry in entries}
    between = {(one.key.group, one.plural) for entry in all_entries() for one in entry.between}
    forbidden = "`kind_forbidden` in the log; "
    watch = ("list", "watch")
    return (
        Purpose(
            verbs=watch,
            places={("", "namespaces"), ("", "nodes"), ("", "pods")},
            what="projects; node pools and types of GPU; all that runs",
            without="the operator ends with a sentence: there is no view",
        ),
        Purpose(
            verbs=watch,
            places=kinds,
            shown=f"the {len(kinds)} [kinds](../kinds.md) beside pods",
            what="what a workload asks for and says of itself",
            without=f"{forbidden}its workloads are known by their pods alone, and those without pods not at all",
        ),
        Purpose(
            verbs=("get",),
            places=kinds | between | {("", "pods")},
            shown=f"the same kinds, `pods`, and {_named(between - kinds)}",
            what="the way from a pod to its workload, where an owner is met by what it owns first; metadata alone",
            without="`owner_kind_forbidden` in the log; the way ends there, and pods are shown as that owner's",
        ),
        Purpose(
            verbs=("get",),
            places={("", "namespaces")},
            what="which cluster this is: the uid of `kube-system`",
            without="the operator ends, unless `ROLLCALL_CLUSTER__ID` is set",
        ),
        Purpose(
            verbs=watch,
            places={("scheduling.k8s.io", "priorityclasses")},
            what="what a workload's priority is worth",
            without=f"{forbidden}the values of well-known classes are used, and what pods say",
        ),
        Purpose(
            verbs=watch,
            places={("resource.k8s.io", "resourceclaims"), ("resource.k8s.io", "resourceclaimtemplates")},
            what="GPUs by dynamic resource allocation",
            without=f"{forbidden}those are not counted",
        ),
        Purpose(
            verbs=watch,
            places=_places(QUEUE_KINDS),
            what="what queues say: why a workload waits",
            without=f"{forbidden}a wait in a queue shows as what the workload itself says",
        ),
        Purpose(
            verbs=watch,
            places=_places(EXPOSING_KINDS),
            what="the addresses of workloads",
            without=f"{forbidden}records lack that part of `externalConnections`",
        ),
        Purpose(
            verbs=watch,
            places=_places(AUTOSCALING_KINDS),
            what="between which bounds a workload is scaled",
            without=f"{forbidden}records lack it",
        ),
        Purpose(
            verbs=watch,
            places={("", "events")},
            what="the events of a workload",
            without="`events_forbidden` in the log; there are none. Not needed with `ROLLCALL_OPERATOR__EVENTS=false`",
        ),
        Purpose(
            verbs=watch,
            places={("apiextensions.k8s.io", "customresourcedefinitions")},
            what="to notice a kind that is installed later",
            without=f"{forbidden}the operator ends for it, and the next start knows it",
        ),
        Purpose(
            verbs=("list",),
            places={("optimization.nvidia.com", "resourceinterfaces"), ("run.ai", "kartas")},
            what="kinds that Kartas teach",
            without="`kinds_forbidden` in the log; none of them are known",
        ),
    )


def _places(kinds: Collection[KindKey]) -> set[_Place]:
    return {(kind.key.group, kind.plural) for kind in watched_kinds() if kind.key in kinds}


def _named(places: Collection[_Place]) -> str:
    return ", ".join(f"`{plural}.{group}`" if group else f"`{plural}`" for group, plural in sorted(places))


def _rows() -> Iterator[str]:
    granted = {
        (rule.group, plural, verb)
        for rule in rules(watched_kinds(), all_entries())
        for plural in rule.plurals
        for verb in rule.verbs
    }
    for purpose in _purposes():
        covered = {(group, plural, verb) for group, plural in purpose.places for verb in purpose.verbs}
        if not covered <= granted:
            raise ValueError(f"The page of rights tells of what no rule grants: {sorted(covered - granted)}")
        granted -= covered
        verbs = ", ".join(f"`{verb}`" for verb in purpose.verbs)
        yield f"| {verbs} | {purpose.shown or _named(purpose.places)} | {purpose.what} | {purpose.without} |"
    if granted:
        raise ValueError(f"The page of rights does not say what these are for: {sorted(granted)}")


def rights_page() -> str:
    """Every right, what it is for, and what is missing without it."""
    return "\n".join([_HEAD, *_rows(), _TAIL])


FILES: dict[Path, Callable[[], str]] = {DOCS / "reference" / "rights.md": rights_page}
"""Everything that is written."""


def main() -> None:
    """Write every file."""
    for path, text in FILES.items():
        path.write_text(text())


if __name__ == "__main__":
    main()
