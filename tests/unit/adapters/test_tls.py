"""Certificates of object stores: checked, against the file that is named, or not at all if the policy says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.adapters.azure import AzureStore
from runner.adapters.s3 import S3Store
from runner.errors import StoreError
from runner.model.location import S3Location
from tests.conformance.stores import azure_location
from tests.parts.azurite import Azurite
from tests.unit.adapters.scripted_server import Answer, ScriptedServer, make_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's certificate and key, which nobody trusts."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificate: Path) -> Iterator[ScriptedServer]:
    """A store with that certificate, in which every key is there."""
    with ScriptedServer(certificate=certificate) as up:
        up.expect(Answer(200))
        yield up


def _store(server: ScriptedServer, *, ca_file: str | None = None, insecure: bool = False) -> S3Store:
    location = S3Location.model_validate(
        {
            "provider": "s3",
            "objectStorage": {"bucket": "bucket", "caFile": ca_file},
            "config": {"s3Url": server.url, "s3ForcePathStyle": True, "insecureSkipTLSVerify": insecure},
        }
    )
    return S3Store(location, access_key_id="key", secret_access_key="secret")


def test_a_certificate_that_nobody_signed(server: ScriptedServer) -> None:
    """Is an error that is not tried again, and names the setting; no request was sent."""
    with pytest.raises(StoreError) as caught:
        _store(server).stat("key")
    assert (caught.value.retriable, server.asked) == (False, [])
    assert "objectStorage.caFile" in caught.value.hint


def test_a_ca_file(server: ScriptedServer, certificate: Path) -> None:
    """The certificate that it holds is trusted."""
    assert _store(server, ca_file=str(certificate)).stat("key").size == 0


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none(server: ScriptedServer, tmp_path: Path, content: str | None) -> None:
    """A missing file, or one of something else, is named."""
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(StoreError) as caught:
        _store(server, ca_file=str(file)).stat("key")
    assert (caught.value.retriable, caught.value.context["file"]) == (False, str(file))


def test_a_policy_may_forgo_the_check(server: ScriptedServer) -> None:
    """Then nothing is printed with each request either: a warning would fail this test."""
    assert _store(server, insecure=True).stat("key").size == 0


def test_azure_checks_too(server: ScriptedServer) -> None:
    """The same error there, with the setting that the client knows."""
    store = AzureStore(azure_location("bucket", "", server.url), account_key=Azurite.key)
    with pytest.raises(StoreError) as caught:
        store.stat("key")
    assert (caught.value.retriable, server.asked) == (False, [])
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint
