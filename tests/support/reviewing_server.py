"""An API server that only answers reviews (of tokens and of access) and requests for tokens, over real HTTP.

The shapes are the documented ones. What is asked by a caller's own token is kept beside what is asked about it.
"""

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import yaml
from aiohttp import web

CLUSTER_WIDE = None


class ReviewingServer:
    """Tokens, the users they belong to and the namespaces that these may list; all of it may change any time."""

    def __init__(self) -> None:
        self.url = ""
        self.users: dict[str, dict[str, Any]] = {}
        self.rights: set[tuple[str, str | None]] = set()
        self.tokens_asked: list[str] = []
        self.may_list_nodes: set[str] = set()
        """Usernames."""
        self.nodes_asked: list[str] = []
        self.rights_asked: list[tuple[str, str | None]] = []
        self.specs: list[dict[str, Any]] = []
        self.credentials: set[str | None] = set()
        self.fault: web.Response | None = None
        self.request_headers: dict[str, str] | None = None
        """Whose word is taken about callers; the data of a ConfigMap."""
        self.request_headers_asked = 0
        self.cookie = ""
        """What clients are told to send along from now on."""
        self.cookies_seen: set[str] = set()
        self.accounts: set[str] = set()
        self.lifetimes_asked: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.open_for_projects = asyncio.Event()
        self.open_for_projects.set()
        self.in_flight = 0
        self.most_in_flight = 0

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        """A server on a free port of the loopback while the block runs."""
        server = cls()
        app = web.Application()
        app.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", server._token_review)
        app.router.add_post("/apis/authorization.k8s.io/v1/subjectaccessreviews", server._access_review)
        app.router.add_post("/apis/authentication.k8s.io/v1/selfsubjectreviews", server._self_review)
        app.router.add_post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", server._self_access_review)
        app.router.add_post("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", server._token_request)
        config_map = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
        app.router.add_get(config_map, server._config_map)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield server
        finally:
            server.open.set()
            server.open_for_projects.set()
            await runner.cleanup()

    @classmethod
    @contextmanager
    def in_a_thread(cls) -> Iterator[Self]:
        """The same for tests without an event loop: it answers from a thread of its own."""
        started: list[Self] = []
        ready, over = threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with cls.running() as server:
                started.append(server)
                ready.set()
                await over.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        try:
            assert ready.wait(30), "the reviewing server did not start"
            yield started[0]
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join()
            loop.close()

    def kubeconfig(self, folder: Path, token: str) -> Path:
        """A file by which a process finds the server, and shows it this token."""
        path = folder / "kubeconfig"
        content = {
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "api", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "api"}}],
            "current-context": "c",
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def let_in(self, token: str, username: str, *namespaces: str | None, **user: Any) -> None:
        """A token, its user, and where the user may list workloads."""
        self.users[token] = {"username": username, "uid": f"uid-of-{username}", **user}
        self.rights |= {(username, namespace) for namespace in namespaces}

    async def _token_review(self, request: web.Request) -> web.Response:
        spec = await self._spec_of(request, "TokenReview")
        self.tokens_asked.append(spec["token"])
        user = self.users.get(spec["token"])
        # A real server sends an empty user along with a refusal.
        status = {"authenticated": True, "user": user} if user else {"user": {}, "error": "invalid bearer token"}
        return await self._answered("TokenReview", status, self.open)

    async def _access_review(self, request: web.Request) -> web.Response:
        spec = await self._spec_of(request, "SubjectAccessReview")
        self.specs.append(spec)
        return await self._reviewed("SubjectAccessReview", spec["user"], spec["resourceAttributes"])

    async def _self_review(self, request: web.Request) -> web.Response:
        await self._spec_of(request, "SelfSubjectReview")
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.tokens_asked.append(token)
        if token not in self.users:
            return await self._refused()
        return await self._answered("SelfSubjectReview", {"userInfo": self.users[token]}, self.open)

    async def _self_access_review(self, request: web.Request) -> web.Response:
        spec = await self._spec_of(request, "SelfSubjectAccessReview")
        assert set(spec) == {"resourceAttributes"}, "nobody is asked about but whoever asks"
        user = self.users.get(request.headers["Authorization"].removeprefix("Bearer "))
        if user is None:
            return await self._refused()
        return await self._reviewed("SelfSubjectAccessReview", user["username"], spec["resourceAttributes"])

    async def _refused(self) -> web.Response:
        await self.open.wait()
        body = {"kind": "Status", "status": "Failure", "reason": "Unauthorized", "code": 401}
        return web.json_response(body, status=401)

    async def _reviewed(self, kind: str, user: str, attributes: dict[str, Any]) -> web.Response:
        if attributes == {"group": "", "resource": "nodes", "verb": "list"}:
            self.nodes_asked.append(user)
            return await self._answered(kind, {"allowed": user in self.may_list_nodes}, self.open)
        assert (attributes["group"], attributes["resource"]) == ("rollcall.dev", "workloads")
        assert attributes["verb"] in {"get", "list", "watch"}
        asked = (user, attributes.get("namespace"))
        self.rights_asked.append(asked)
        allowed = asked in self.rights or (user, CLUSTER_WIDE) in self.rights
        gate = self.open if asked[1] is CLUSTER_WIDE else self.open_for_projects
        return await self._answered(kind, {"allowed": allowed}, gate)

    async def _config_map(self, _: web.Request) -> web.Response:
        self.request_headers_asked += 1
        if self.request_headers is None:
            return web.Response(status=404)
        return web.json_response({"kind": "ConfigMap", "data": self.request_headers})

    async def _token_request(self, request: web.Request) -> web.Response:
        spec = await self._spec_of(request, "TokenRequest")
        account = "{namespace}/{name}".format(**request.match_info)
        if account not in self.accounts:
            return web.Response(status=404)
        self.lifetimes_asked.append(spec["expirationSeconds"])
        until = datetime.now(UTC) + timedelta(seconds=spec["expirationSeconds"])
        user = f"system:serviceaccount:{account.replace('/', ':')}"
        claims = {"iss": "https://kubernetes.default.svc", "sub": user, "exp": int(until.timestamp())}
        # Nobody here checks a signature, so that it may as well tell the tokens of one second apart.
        signature = _encoded({"number": len(self.lifetimes_asked)})
        token = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(claims)}.{signature}"
        self.users[token] = {"username": user, "uid": "uid"}
        status = {"token": token, "expirationTimestamp": until.isoformat(timespec="seconds").replace("+00:00", "Z")}
        return await self._answered("TokenRequest", status, self.open)

    async def _spec_of(self, request: web.Request, kind: str) -> dict[str, Any]:
        self.credentials.add(request.headers.get("Authorization"))
        self.cookies_seen |= set(request.cookies)
        body = await request.json()
        assert body["kind"] == kind
        return dict(body.get("spec", {}))

    async def _answered(self, kind: str, status: dict[str, Any], gate: asyncio.Event) -> web.Response:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await gate.wait()
        finally:
            self.in_flight -= 1
        if self.fault is not None:
            location = {name: value for name, value in self.fault.headers.items() if name == "Location"}
            return web.Response(status=self.fault.status, text=self.fault.text, headers=location)
        cookie = {"Set-Cookie": self.cookie} if self.cookie else {}
        return web.json_response({"kind": kind, "status": status}, status=201, headers=cookie)


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
