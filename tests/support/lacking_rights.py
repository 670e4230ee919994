"""Who has every right that a manifest grants but one, for each of them.

The API server's RBAC is asked about whoever is impersonated as about anybody else, so that nobody needs a
ServiceAccount of their own here.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from support.kubeconfig_access import access_by

from rollcall.cluster_access import ApiStatusError, post_json
from rollcall_cluster.applying import read_documents
from rollcall_cluster.control_plane import LocalCluster

LABEL = "tests.rollcall.dev/lacking"
EVERYTHING = "nothing"
"""What somebody lacks who has it all."""

_RBAC = "rbac.authorization.k8s.io"
_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One verb on one resource of one group; in a namespace where a Role grants it, else everywhere."""

    group: str
    resource: str
    verb: str
    name: str = ""
    """Of the one object that it is for."""
    namespace: str | None = None

    def __str__(self) -> str:
        where = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {where}" + (f" in {self.namespace}" if self.namespace else "")

    @property
    def rule(self) -> dict[str, Any]:
        """The right as a rule of a role."""
        names = {"resourceNames": [self.name]} if self.name else {}
        return {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb], **names}


def rights_of(roles: Iterable[Mapping[str, Any]]) -> tuple[Right, ...]:
    """Every right that these Roles and ClusterRoles grant, in their order."""
    return tuple(
        Right(group=group, resource=resource, verb=verb, name=name, namespace=role["metadata"].get("namespace"))
        for role in roles
        for rule in role.get("rules") or ()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", ("",))
    )


def rights_in(manifest: Path) -> tuple[Right, ...]:
    """Every right that the roles of a manifest grant."""
    return rights_of(one for one in read_documents([manifest]) if one["kind"] in {"Role", "ClusterRole"})


AUTH_DELEGATOR = (
    Right(group="authentication.k8s.io", resource="tokenreviews", verb="create"),
    Right(group="authorization.k8s.io", resource="subjectaccessreviews", verb="create"),
)
"""What Kubernetes' own ClusterRole system:auth-delegator grants."""

AUTHENTICATION_READER = (
    Right(
        group="",
        resource="configmaps",
        verb="get",
        name="extension-apiserver-authentication",
        namespace="kube-system",
    ),
)
"""What is used of Kubernetes' own Role extension-apiserver-authentication-reader."""


class Lacking:
    """Users of a cluster, each with all of these rights but one."""

    def __init__(self, cluster: LocalCluster, title: str, rights: Iterable[Right]) -> None:
        """``title`` parts the users of one set of rights from those of another."""
        self._access = access_by(cluster.kubeconfig)
        self._title = title
        self._rights = tuple(rights)
        self.server = self._access.server

    @asynccontextmanager
    async def session(self, lacks: Right | None) -> AsyncIterator[aiohttp.ClientSession]:
        """A session of who lacks that right, or none."""
        async with self.admin() as session:
            session.headers["Impersonate-User"] = self._user(lacks)
            yield session

    def admin(self) -> aiohttp.ClientSession:
        """A session with every right, under a name that is no process of Rollcall's."""
        session = self._access.session()
        session.headers["User-Agent"] = "tests"
        return session

    async def arrange(self) -> None:
        """Give everybody their rights, and wait until the API server knows of them."""
        async with self.admin() as session:
            at_once = asyncio.Semaphore(_AT_ONCE)

            async def create(obj: Mapping[str, Any]) -> None:
                namespace = obj["metadata"].get("namespace")
                place = f"/namespaces/{namespace}" if namespace else ""
                path = f"/apis/{_RBAC}/v1{place}/{obj['kind'].lower()}s"
                async with at_once:
                    await post_json(session, self.server, path, obj)

            for lacks in (self._rights, (None,)):
                # Roles before bindings, and who lacks nothing last: once that one is let in, all the others are.
                roles = [role for one in lacks for role in self._roles(one)]
                await asyncio.gather(*map(create, roles))
                await asyncio.gather(*(create(self._binding(role)) for role in roles))
        async with self.session(None) as session:
            for right in {right.namespace: right for right in self._rights}.values():
                await self._granted(session, right)

    async def _granted(self, session: aiohttp.ClientSession, right: Right) -> None:
        attributes = {"group": right.group, "resource": right.resource, "verb": right.verb, "name": right.name}
        attributes |= {"namespace": right.namespace or ""}
        spec = {"resourceAttributes": attributes}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        async with asyncio.timeout(60):
            while True:
                if (await post_json(session, self.server, path, body))["status"]["allowed"]:
                    return
                await asyncio.sleep(0.05)

    async def disband(self) -> None:
        """Take all of it away."""
        async with self.admin() as session:
            places = {right.namespace for right in self._rights}
            for namespace in sorted(places, key=str):
                place = f"/namespaces/{namespace}" if namespace else ""
                scope = "" if namespace else "cluster"
                for kind in ("rolebindings", "roles"):
                    path = f"{self.server}/apis/{_RBAC}/v1{place}/{scope}{kind}"
                    async with session.delete(path, params={"labelSelector": f"{LABEL}={self._title}"}) as answer:
                        if answer.status != 200:
                            raise ApiStatusError(answer.status, path)

    def _user(self, lacks: Right | None) -> str:
        number = EVERYTHING if lacks is None else str(self._rights.index(lacks))
        return f"{self._title}-lacks-{number}"

    def _roles(self, lacks: Right | None) -> list[dict[str, Any]]:
        by_place: dict[str | None, list[dict[str, Any]]] = {}
        for right in self._rights:
            if right != lacks:
                by_place.setdefault(right.namespace, []).append(right.rule)
        return [
            {
                "apiVersion": f"{_RBAC}/v1",
                "kind": "ClusterRole" if namespace is None else "Role",
                "metadata": {
                    "name": self._user(lacks),
                    "labels": {LABEL: self._title},
                    **({} if namespace is None else {"namespace": namespace}),
                },
                "rules": rules,
            }
            for namespace, rules in by_place.items()
        ]

    def _binding(self, role: Mapping[str, Any]) -> dict[str, Any]:
        name = role["metadata"]["name"]
        return {
            **{key: role[key] for key in ("apiVersion", "metadata")},
            "kind": f"{role['kind']}Binding",
            "roleRef": {"apiGroup": _RBAC, "kind": role["kind"], "name": name},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": name}],
        }
