"""Somebody who pages through the workloads all the time, whichever process serves them."""

import threading
from http import HTTPStatus
from typing import Any

import httpx
from support.rows import eventually

from rollcall_cluster.control_plane import LocalCluster

PAUSE_SECONDS = 0.04
"""Between two questions: with those of `SteadyCaller.until` they stay below what one caller may ask (50 a second)."""


class SteadyCaller(threading.Thread):
    """Pages through the workloads as a ServiceAccount, over and over, at an address that moves as a Service's does.

    A page holds one, and the oldest comes first: what is made meanwhile shifts none of the others.
    """

    def __init__(self, namespace: str, service_account: str, cluster: LocalCluster) -> None:
        super().__init__(daemon=True)
        self._address = ""
        self._headers = {"Authorization": f"Bearer {cluster.token_of(namespace, service_account)}"}
        self._turn = threading.Lock()
        self._ending = threading.Event()
        self.answers = 0
        self.refused: list[str] = []
        self.listings: list[list[str]] = []
        """The ids of each whole listing, in its order."""

    def run(self) -> None:
        """Ask until told to end."""
        place, listing = 0, list[str]()
        while not self._ending.wait(PAUSE_SECONDS):
            with self._turn:
                try:
                    answer = self._ask(limit="1", offset=str(place), sortBy="createdAt", sortOrder="asc")
                except httpx.TransportError as error:
                    self.refused.append(repr(error))
                    continue
            self.answers += 1
            if answer.status_code != HTTPStatus.OK:
                self.refused.append(f"{answer.status_code}: {answer.text}")
                continue
            body = answer.json()
            listing += [one["id"] for one in body["workloads"]]
            place = int(body.get("next", 0))
            if not place:
                self.listings.append(listing)
                listing = []

    def move(self, address: str) -> None:
        """Ask there from now on; nothing is on its way to the address of before."""
        with self._turn:
            self._address = address

    def end(self) -> None:
        """Ask no more."""
        self._ending.set()
        self.join()

    def workloads(self, *, deleted: bool) -> dict[str, dict[str, Any]]:
        """What is listed, by name."""
        with self._turn:
            answer = self._ask(deleted=str(deleted).lower())
        assert answer.status_code == HTTPStatus.OK, answer.text
        return {one["name"]: one for one in answer.json()["workloads"]}

    def status(self) -> int:
        """Of an answer."""
        with self._turn:
            return self._ask().status_code

    def until(self, name: str, *, deleted: bool = False) -> dict[str, Any]:
        """A workload, as soon as it is on record as running, or as deleted."""
        return eventually(
            lambda: self.workloads(deleted=deleted).get(name, {}),
            lambda found: bool(found) and (deleted or found["phase"] == "Running"),
        )

    def _ask(self, **asked: str) -> httpx.Response:
        return httpx.get(
            f"{self._address}/api/v1/workloads", params=asked, headers=self._headers, timeout=30, trust_env=False
        )
