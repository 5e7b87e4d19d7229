"""What goes wrong between Trysail and its store is said with a hint, and a reply that is lost is no loss."""

from __future__ import annotations

import base64
import json
import random
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.lossy_proxy import LossyProxy
from tests.parts.ports import free_port
from tests.parts.seaweedfs import SeaweedFS
from tests.real.places import Place, folder_place, seaweed_place
from tests.real.trysail import COMMAND, Trysail

pytestmark = pytest.mark.real

SHOP: Final = Path(__file__).parents[2] / "examples" / "clusters" / "shop"
RUN: Final = ("run", "--auto-approve", "--manifests", str(SHOP), "-f")

# Files of at most 4 KiB (in blocks of 512 or 1024 bytes): the shop's archive does not fit.
SMALL_FILES: Final = ("/bin/sh", "-c", 'ulimit -f 4 && exec "$@"', "sh", *COMMAND)


@pytest.fixture
def proxy(seaweedfs: SeaweedFS) -> Iterator[LossyProxy]:
    """Between Trysail and SeaweedFS; loses nothing until it is told to."""
    with LossyProxy(seaweedfs.endpoint) as between:
        yield between


@pytest.fixture
def detour(seaweedfs: SeaweedFS, bucket: str, proxy: LossyProxy) -> Place:
    """A place that policies reach through the proxy."""
    return seaweed_place(seaweedfs, bucket, f"place-{secrets.token_hex(4)}", endpoint=proxy.endpoint)


def test_a_bucket_that_is_not_there(trysail: Trysail, weed: Place) -> None:
    """Is an error that names it; plan goes on without its comparison, and says so."""
    location = {**weed.location, "objectStorage": {"bucket": "no-such-bucket"}}
    policy = trysail.policy(location=location)
    ended = trysail(*RUN, policy, code=1)
    assert "no-such-bucket" in ended.err
    assert "hint: " in ended.err
    assert "Not compared with the last backup: " in trysail("plan", "--manifests", SHOP, "-f", policy).out


def test_keys_that_may_only_read(trysail: Trysail, weed: Place, seaweedfs: SeaweedFS) -> None:
    """Reading verbs work; a run is refused before anything is visible, and the message says what is missing."""
    reader = trysail.with_env(
        AWS_ACCESS_KEY_ID=seaweedfs.reader_access_key, AWS_SECRET_ACCESS_KEY=seaweedfs.reader_secret_key
    )
    policy = trysail.policy(location=weed.location)
    ended = reader(*RUN, policy, code=1)
    assert "hint: " in ended.err
    assert seaweedfs.reader_secret_key not in ended.err
    weed.assert_no_backup()
    trysail(*RUN, policy)
    reader("verify", "latest", "-f", policy)
    reader("list", "-f", policy)


def test_keys_that_nobody_knows(trysail: Trysail, weed: Place) -> None:
    """Is an error, and the secret one is not in it."""
    stranger = trysail.with_env(AWS_SECRET_ACCESS_KEY="not-the-key-that-it-should-be")
    ended = stranger(*RUN, trysail.policy(location=weed.location), code=1)
    assert "hint: " in ended.err
    assert "not-the-key-that-it-should-be" not in ended.err


def test_a_store_that_is_away(trysail: Trysail, weed: Place) -> None:
    """A refused connection is tried again for a while, saying so; then it is an error."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    location = {**weed.location, "config": {"s3Url": endpoint, "s3ForcePathStyle": True}}
    ended = trysail.process(*RUN, trysail.policy(location=location), code=1)
    assert "retrying listing the store" in ended.err
    assert "attempt 6 failed" in ended.err
    assert "hint: " in ended.err.splitlines()[-1]


def test_a_disk_that_is_full(trysail: Trysail, tmp_path: Path) -> None:
    """The archive cannot be written whole: an error with a hint, and not even a partial file is left."""
    place = folder_place(tmp_path / "backups")
    policy = trysail.policy(location=place.location)
    ended = trysail.process(*RUN, policy, code=1, command=SMALL_FILES)
    assert "File too large" in ended.err
    assert "hint: free some space" in ended.err
    place.assert_no_backup()
    assert [path for path in (tmp_path / "backups").rglob("*") if path.is_file()] == []
    # With room again the next run is as any other, and has nothing to report.
    assert "never finished" not in trysail(*RUN, policy).out
    trysail("verify", "latest", "-f", policy)


@pytest.mark.parametrize("key", ["k8s-objects.tar.gz", "log.jsonl.gz", "manifest.json"])
def test_a_reply_that_is_lost(key: str, trysail: Trysail, detour: Place, proxy: LossyProxy) -> None:
    """The object was stored and nobody heard: tried again it exists, is recognised as ours, and all is well."""
    policy = trysail.policy(location=detour.location)
    proxy.lose(f"PUT {_path_of(detour)}/{key}")
    ended = trysail(*RUN, policy, "--name", "lost")
    assert proxy.lost == 1
    assert f"retrying upload of {key}" in ended.err
    trysail("verify", "lost", "--location", detour.url)


@pytest.mark.parametrize("after_head", [False, True], ids=["no answer", "half an answer"])
def test_a_completion_whose_reply_is_lost(
    after_head: bool, trysail: Trysail, detour: Place, proxy: LossyProxy, tmp_path: Path
) -> None:
    """The same for an archive that was sent in parts; no upload dangles."""
    noise = random.Random(2)
    data = [base64.b64encode(noise.randbytes(800_000)).decode() for _ in range(8)]
    items = [_secret(f"large-{number}", content) for number, content in enumerate(data)]
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "large.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    proxy.lose(f"POST {_path_of(detour)}/k8s-objects.tar.gz?uploadId", after_head=after_head)
    policy = trysail.policy(location=detour.location)
    words = ("run", "--auto-approve", "--manifests", tmp_path / "cluster", "--name", "lost")
    ended = trysail(*words, "-f", policy)
    assert proxy.lost == 1
    assert "retrying completion of k8s-objects.tar.gz" in ended.err
    assert detour.store.unfinished("") == ()
    trysail("verify", "lost", "--location", detour.url)


def test_a_backup_that_is_there_already(trysail: Trysail, place: Place) -> None:
    """A name is given once: the second run is refused, and the first backup is what it was."""
    policy = trysail.policy(location=place.location)
    trysail(*RUN, policy, "--name", "monday")
    before = place.read("manifest.json")
    ended = trysail(*RUN, policy, "--name", "monday", code=1)
    assert 'a backup named "monday" is there already' in ended.err
    assert "hint: choose another --name" in ended.err
    assert place.read("manifest.json") == before
    trysail("verify", "monday", "--location", place.url)


def _path_of(place: Place) -> str:
    """Where SeaweedFS has the backup `lost`."""
    storage = place.location["objectStorage"]
    return f"/{storage['bucket']}/{storage['prefix']}/real/shop/lost"


def _secret(name: str, content: str) -> dict[str, object]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"noise": content}}
