"""What goes wrong in one run, drawn by its seed: passing faults, lasting ones, lies, a signal, death."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import msgspec

from runner.archive.layout import MANIFEST
from runner.errors import (
    BadResponse,
    ClusterBusy,
    ClusterUnreachable,
    Forbidden,
    ItemNotFound,
    StoreBusy,
    StoreDenied,
    StoreFull,
    StoreUnreachable,
    Unauthorized,
    UploadDamaged,
)
from runner.model.cluster import Page
from tests.fakes.clock import SimulatedClock
from tests.fakes.cluster import Call
from tests.simulation.ending import End, Ending
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances of passing faults, for each call that they can strike."""

    cluster: float = 0.0
    expiry: float = 0.0
    change: float = 0.0
    garbage: float = 0.0  # a page with an item that is none
    store: float = 0.0
    lost_reply: float = 0.0


@dataclass(frozen=True, slots=True)
class Doom:
    """What does not pass. Counts are of calls to the port that it strikes."""

    end: End | None = None
    store_down: int | None = None  # from this call on, no answer
    store_mute: int | None = None  # from this call on, what is asked is done, and no reply comes
    store_denied: int | None = None
    store_bytes: int | None = None  # it holds no more
    cluster_down: int | None = None
    credentials: int | None = None  # they expire at this call
    forbidden: frozenset[tuple[str, str]] = frozenset()  # (type, a namespace, "" for cluster-wide lists, "*" for all)
    expiring: bool = False  # no continue token is ever accepted
    garbled: frozenset[str] = frozenset()  # types whose lists are never understood
    gone: tuple[str, int] = ("", 0)  # a type that is not served any more, from this call on
    down: frozenset[str] = frozenset()  # groups that cannot be discovered
    lie: str = ""  # write | read
    lie_chance: float = 0.0
    visit: int | None = None  # at this call to the store, somebody else's run takes place


class Faults(Ending):
    """Strikes the calls of one run."""

    def __init__(self, random: Random, weather: Weather, doom: Doom, world: World) -> None:
        super().__init__(random, doom.end)
        self.committed = False  # the manifest was written, heard of or not
        self.lied_about_manifest = False
        self.clock = SimulatedClock()  # its run's own takes the place
        self.visitor: Callable[[], None] = lambda: None
        self._weather, self._doom = weather, doom
        self._world = world
        self._bytes = 0

    # the cluster

    def strike(self, call: Call) -> None:
        """Before a question to the cluster."""
        name = call.resource.name if call.resource is not None else ""
        self.touched(f"{call.verb} {name} {call.namespace} {call.name}".strip())
        self.counts["cluster"] += 1
        self.clock.advance(self.random.expovariate(20))
        self._last_of_cluster(call, name)
        weather = self._weather
        expiry = 1.0 if self._doom.expiring else weather.expiry
        if self.random.random() < weather.change:
            self.meet(f"change: {self._world.change(self.random)}", "change")
        if call.request is not None and call.request.continue_token and self.random.random() < expiry:
            resumable = self._doom.expiring or self.random.random() < 0.9
            self._world.cluster.expire_tokens(resumable=resumable)
            self.meet("token expired" if resumable else "token expired for good")
        if self.random.random() < weather.cluster:
            self.fail(
                ClusterBusy("the API server answers 429", retry_after=self.random.choice((None, 1.0, 30.0, 3600.0))),
                ClusterUnreachable("the connection was reset"),
                BadResponse("the answer is cut off"),
            )

    def _last_of_cluster(self, call: Call, name: str) -> None:
        doom, count = self._doom, self.counts["cluster"]
        if doom.credentials is not None and count >= doom.credentials:
            self.fail(Unauthorized("the API server answers 401"))
        if doom.cluster_down is not None and count >= doom.cluster_down:
            self.fail(ClusterUnreachable("connection refused"))
        where = {"*", call.namespace} if call.verb == "page" or call.namespace else {"*"}
        if any((name, one) in doom.forbidden for one in where):
            self.fail(Forbidden(f"{name} may not be read in {call.namespace or 'the cluster'}"))
        if name in doom.garbled:
            self.fail(BadResponse(f"the list of {name} is no list"))
        if name and name == doom.gone[0] and count >= doom.gone[1]:
            self._world.touched.update(key for key in self._world.versions if key.resource == name)
            self.fail(ItemNotFound(f"{name} is not served"))

    def alter(self, page: Page) -> Page:
        """What becomes of a page."""
        if page.items and self.random.random() < self._weather.garbage:
            self.meet("garbage in a page")
            *items, last = page.items
            cut = bytes(last)[: self.random.randrange(1, len(last))]
            return msgspec.structs.replace(page, items=(*items, last, msgspec.Raw(cut)))
        return page

    # the store

    def before(self, verb: str, key: str, size: int) -> None:
        """Before a call to the store."""
        self.touched(f"{verb} {key}")
        self.count("store", verb)
        if verb in {"create", "upload", "part", "complete"}:
            self.count("write", verb)
        if verb == "create" and key.endswith(MANIFEST):
            self.count("commit", verb)
        doom, count = self._doom, self.counts["store"]
        self.clock.advance(self.random.expovariate(20))
        if count == doom.visit:
            self.meet("visited")
            self.visitor()
        if doom.store_denied is not None and count >= doom.store_denied:
            self.fail(StoreDenied("the store answers 403"))
        if doom.store_down is not None and count >= doom.store_down:
            self.fail(StoreUnreachable("connection refused"))
        self._bytes += size
        if doom.store_bytes is not None and size and self._bytes > doom.store_bytes:
            self.fail(StoreFull("no space left"))
        if self.random.random() < self._weather.store:
            self.fail(
                StoreBusy("the store answers 503", retry_after=self.random.choice((None, 5.0))),
                StoreUnreachable("the connection was reset"),
            )

    def after(self, verb: str, key: str) -> None:
        """After a call to the store had its effect."""
        if verb == "create" and key.endswith(MANIFEST):
            self.committed = True
        self.count("reply", verb)
        if verb in {"create", "complete"}:
            self.meet(f"stored by {verb}", f"stored by {verb}")
        mute = self._doom.store_mute is not None and self.counts["store"] >= self._doom.store_mute
        if mute or self.random.random() < self._weather.lost_reply:
            what = "commit reply lost" if key.endswith(MANIFEST) else f"reply to {verb} lost"
            self.meet(what)
            raise StoreUnreachable("the connection was reset before the answer came")

    def kept(self, verb: str, key: str, data: bytes) -> bytes:
        """A store that lies keeps other bytes; one that checks what it is sent notices, and says so."""
        if self._doom.lie != "write" or self.random.random() >= self._doom.lie_chance:
            return data
        if self._world.store.verifies_uploads:
            self.meet("damage noticed by the store")
            raise UploadDamaged("the checksum is not that of the bytes")
        self.meet("lie at writing")
        self.lied_about_manifest |= key.endswith(MANIFEST)
        return self._twisted(data, may_cut=verb == "create")

    def given(self, key: str, data: bytes) -> bytes:
        """A store that lies gives other bytes than it holds."""
        if self._doom.lie != "read" or self.random.random() >= self._doom.lie_chance:
            return data
        self.meet("lie at reading")
        self.lied_about_manifest |= key.endswith(MANIFEST)
        return self._twisted(data, may_cut=True)

    def _twisted(self, data: bytes, *, may_cut: bool) -> bytes:
        place = self.random.randrange(len(data))
        if may_cut and self.random.random() < 0.5:
            return data[:place]
        return data[:place] + bytes([data[place] ^ 1 << self.random.randrange(8)]) + data[place + 1 :]
