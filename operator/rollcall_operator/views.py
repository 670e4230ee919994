"""What a record is derived from: a workload's object, its children, its pods, and what is around them."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from rollcall.domain.facts import Meta, ObjectFacts, PodFacts, WorkloadView
from rollcall.domain.kinds.catalogue import Catalogue
from rollcall_operator.belonging import Belonging
from rollcall_operator.beside import Beside
from rollcall_operator.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Puts together what is known. Reads, and changes nothing."""

    objects: Mapping[str, ObjectFacts]
    pods: Mapping[str, PodFacts]
    belonging: Belonging
    surroundings: Surroundings
    beside: Beside
    catalogue: Catalogue

    def of(self, top_uid: str) -> WorkloadView | None:
        """All that is known of a workload; ``None`` where nothing is left of it, or where it is none of its own."""
        facts = self.objects.get(top_uid)
        if facts is not None:
            return None if self.catalogue.is_template(facts) else self.of_object(facts.meta, facts)
        pod = self.pods.get(top_uid)
        if pod is not None:
            return self.of_pod(pod)
        for member in self.belonging.members_of(top_uid):
            top = self.belonging.top_of(member)
            return None if top is None else self.of_object(top, None)
        return None

    def of_object(self, meta: Meta, facts: ObjectFacts | None) -> WorkloadView:
        """The view of a workload whose object is known, or by its pods' references alone."""
        members = self.belonging.members_of(meta.uid)
        children = [self.objects[uid] for uid in members if uid != meta.uid and uid in self.objects]
        children.sort(key=lambda child: (str(child.meta.created_at), child.meta.name))
        view = self._around(meta, self._pods_among(members), children)
        return replace(view, top=facts, top_reference=None if facts is not None else meta)

    def of_pod(self, pod: PodFacts) -> WorkloadView:
        """The view of a pod that is a workload by itself."""
        members = self.belonging.members_of(pod.meta.uid) - {pod.meta.uid}
        return replace(self._around(pod.meta, (pod, *self._pods_among(members))), top_is_pod=True)

    def _pods_among(self, members: AbstractSet[str]) -> tuple[PodFacts, ...]:
        return tuple(sorted((self.pods[uid] for uid in members if uid in self.pods), key=lambda pod: pod.meta.name))

    def _around(self, top: Meta, pods: tuple[PodFacts, ...], children: Iterable[ObjectFacts] = ()) -> WorkloadView:
        children = tuple(children)
        namespace = top.namespace or ""
        around, beside = self.surroundings, self.beside
        return WorkloadView(
            children=children,
            pods=pods,
            problems=self.belonging.problems_of(top.uid),
            nodes=around.nodes,
            namespace=around.namespaces.get(namespace),
            priority_classes=around.priority_classes,
            claims=around.claims.get(namespace, {}),
            claim_templates=around.claim_templates.get(namespace, {}),
            exposures=beside.exposed.of(top.namespace),
            autoscaler=beside.scaled.of(top),
            queues=beside.queued.of((top, *(child.meta for child in children), *(pod.meta for pod in pods))),
            catalogue=self.catalogue,
        )
