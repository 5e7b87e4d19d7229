"""Lists a type page by page: goes on where a continue token expired, asks for less where a page is too large."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from runner.engine.retry import Retrier
from runner.errors import ContinueExpired, PageTooLarge
from runner.model.cluster import ListRequest, Page
from runner.ports import ClusterReader

FIRST_LIMIT = 500  # items a page, where nothing is known of their size
MOST_EXPIRIES = 5  # of one page's token: a server that refuses even the newest one would be asked for ever


@dataclass
class Listing:
    """One list on its way. `next_page` is called by one thread at a time; a page is asked for when it is wanted."""

    cluster: ClusterReader
    retrier: Retrier
    request: ListRequest
    page_bytes: int = 0  # aim for pages of this size; 0 leaves the limit as it is
    resource_version: str = ""  # of the first page: what the list shows, where `consistent`
    consistent: bool = True  # false once a token expired: the later pages show a later state
    done: bool = False
    _token: str = field(default="", repr=False)

    def start_with(self, limit: int) -> None:
        """How many items the first page asks for; before it is fetched."""
        self.request = msgspec.structs.replace(self.request, limit=limit)

    def next_page(self) -> Page:
        """The next page; `done` says whether it was the last."""
        what = f"list of {self.request.resource.name}"
        if self.request.namespace:
            what += f" in {self.request.namespace}"
        page = self.retrier.call(what, self._fetch)
        if not self.resource_version:
            self.resource_version = page.resource_version
        self._token = page.continue_token
        self.done = not page.continue_token
        self._adapt(page)
        return page

    def _fetch(self) -> Page:
        max_bytes, expired = self.request.max_bytes, 0
        while True:
            request = msgspec.structs.replace(self.request, continue_token=self._token, max_bytes=max_bytes)
            try:
                return self.cluster.page(request)
            except ContinueExpired as error:
                expired += 1
                if not error.token or expired == MOST_EXPIRIES:
                    raise
                # The token that the error carries goes on after the last item, at the present state. Starting over
                # would list again what is already written.
                self._token = error.token
                self.consistent = False
            except PageTooLarge:
                if self.request.limit == 1:
                    # One object is as large as it is; the API server itself takes none beyond a few MB.
                    max_bytes = 0
                else:
                    self.request = msgspec.structs.replace(self.request, limit=max(1, self.request.limit // 8))

    def _adapt(self, page: Page) -> None:
        """Fits the next page's limit to the sizes that were seen, so that a page stays near `page_bytes`."""
        if self.page_bytes and page.items:
            fitting = self.page_bytes * len(page.items) // max(page.size, 1)
            self.request = msgspec.structs.replace(self.request, limit=min(max(fitting, 1), FIRST_LIMIT))
