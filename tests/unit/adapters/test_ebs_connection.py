"""How EC2 is reached: the endpoint, the keys, the role; and that each request is made once. A server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.ebs import EbsVolumes
from runner.errors import TrysailError, VolumeError, VolumesBusy, VolumesDenied, VolumesUnreachable
from runner.model.snapshot_location import AwsSnapshotConfig, AwsSnapshotLocation
from runner.model.volumes import Snapshot
from tests.parts.moto_ec2 import REGION
from tests.unit.adapters.ec2_stub import TAGS, VOLUME
from tests.unit.adapters.scripted_server import Answer, Asked, ScriptedServer, make_certificate

ROLE = "arn:aws:iam::123456789012:role/backups"
NONE = Answer(200, b"<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedServer]:
    """In the place of EC2 and STS; nothing of this machine's own AWS configuration is used."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    with ScriptedServer() as serving:
        yield serving


def volumes(endpoint: str | None, keys: tuple[str, str] | None = None, **config: str) -> EbsVolumes:
    """Volumes behind an endpoint."""
    given: dict[str, Any] = {"region": REGION, "endpoint": endpoint, **config}
    location = AwsSnapshotLocation(provider="aws", config=AwsSnapshotConfig(**given))
    key, secret = keys or (None, None)
    return EbsVolumes(location, access_key_id=key, secret_access_key=secret)


def assumed(key: str, seconds: float) -> Answer:
    """STS' answer: keys for so long."""
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    values = {"AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": until}
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    result = f"<AssumeRoleResult><Credentials>{inside}</Credentials></AssumeRoleResult>"
    return Answer(200, f"<AssumeRoleResponse>{result}</AssumeRoleResponse>".encode())


def said(asked: Asked) -> tuple[str, str]:
    """The action, and whose key signed it."""
    action = asked.body.decode().partition("Action=")[2].partition("&")[0]
    key = str(asked.headers["Authorization"]).partition("Credential=")[2].partition("/")[0]
    return action, key


def test_keys_given_win_over_the_environments(server: ScriptedServer) -> None:
    """And without keys given, AWS' own chain decides."""
    server.expect(NONE, NONE)
    volumes(server.url).found(TAGS)
    volumes(server.url, ("GIVEN", "secret")).found(TAGS)
    assert [said(one) for one in server.asked] == [("DescribeSnapshots", "ENVKEY"), ("DescribeSnapshots", "GIVEN")]


def test_a_profile_has_keys_of_its_own(server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there is an error that says so."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "CONFIG_FILE").write_text("[profile p]\naws_access_key_id=OFPROFILE\naws_secret_access_key=s\n")
    server.expect(NONE)
    volumes(server.url, profile="p").found(TAGS)
    assert [said(one)[1] for one in server.asked] == ["OFPROFILE"]
    with pytest.raises(VolumesDenied, match="ProfileNotFound"):
        volumes(server.url, profile="q").found(TAGS)


def test_a_role_is_assumed_once_and_again_before_its_time_is_over(server: ScriptedServer) -> None:
    """Not for each request; by the keys that were given; from the same endpoint, where one is given."""
    reached = volumes(server.url, ("GIVEN", "secret"), roleArn=ROLE)
    server.expect(assumed("FIRST", 30), NONE, assumed("SECOND", 3600), NONE, NONE)
    for _ in range(3):
        reached.found(TAGS)
    assert [said(one) for one in server.asked] == [
        ("AssumeRole", "GIVEN"),
        ("DescribeSnapshots", "FIRST"),
        ("AssumeRole", "GIVEN"),
        ("DescribeSnapshots", "SECOND"),
        ("DescribeSnapshots", "SECOND"),
    ]
    assert b"RoleSessionName=trysail" in server.asked[0].body


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"<Code>AccessDenied</Code><Message>not authorized</Message>", VolumesDenied, "refuses AssumeRole"),
        (b"<Code>Throttling</Code><Message>slow down</Message>", VolumesBusy, "refuses AssumeRole"),
        (b"", VolumesDenied, "CredentialRetrievalError"),
    ],
    ids=["denied", "throttled", "another's"],
)
def test_a_role_that_cannot_be_had(server: ScriptedServer, answer: bytes, kind: type[VolumeError], words: str) -> None:
    """Is said to be the role's matter; EC2 is not even asked, and nothing is tried twice."""
    error = b"<ErrorResponse><Error>" + answer + b"</Error></ErrorResponse>"
    server.expect(Answer(403, error) if answer else Answer(200, b"<html><body>log in</body></html>"))
    with pytest.raises(VolumeError) as refused:
        volumes(server.url, roleArn=ROLE).found(TAGS)
    assert type(refused.value) is kind
    assert words in str(refused.value)
    assert [said(one)[0] for one in server.asked] == ["AssumeRole"]


def test_half_of_a_roles_keys_are_none(server: ScriptedServer) -> None:
    """A proxy's answer, or one of a server that only looks like STS."""
    half = b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>K</AccessKeyId></Credentials>"
    server.expect(Answer(200, half + b"</AssumeRoleResult></AssumeRoleResponse>"))
    with pytest.raises(VolumesDenied, match="CredentialRetrievalError"):
        volumes(server.url, roleArn=ROLE).found(TAGS)


@pytest.mark.parametrize(
    "item",
    [
        "<volumeId>vol-1</volumeId><size>8</size><volumeType>gp3</volumeType>",
        "<volumeId>vol-1</volumeId><availabilityZone>eu-west-1a</availabilityZone><size>8</size>",
        "<size>8</size>",
    ],
    ids=["no zone", "no type", "no id"],
)
def test_half_of_a_volume_is_no_answer(server: ScriptedServer, item: str) -> None:
    """A disk that is not wholly told of could not be made again."""
    answer = f"<DescribeVolumesResponse><volumeSet><item>{item}</item></volumeSet></DescribeVolumesResponse>"
    server.expect(Answer(200, answer.encode()))
    with pytest.raises(VolumesUnreachable, match="The answer to DescribeVolumes is cut off, or not EC2's"):
        volumes(server.url).prepare([VOLUME])


def test_a_clock_that_is_wrong_is_named(server: ScriptedServer) -> None:
    """Keys that are over when they come: by this machine's clock, at least."""
    server.expect(assumed("LATE", -60))
    with pytest.raises(VolumesDenied) as refused:
        volumes(server.url, roleArn=ROLE).found(TAGS)
    assert refused.value.hint == "set this machine's clock"


def test_without_an_endpoint_each_service_has_its_own(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS' own variables are followed: EC2's is not STS' too."""
    with ScriptedServer() as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", server.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        sts.expect(assumed("FIRST", 3600))
        server.expect(NONE)
        volumes(None, roleArn=ROLE).found(TAGS)
        assert [said(one)[0] for one in (*sts.asked, *server.asked)] == ["AssumeRole", "DescribeSnapshots"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(503, b"<html>busy</html>"), VolumesBusy),
        (Answer(503), VolumesBusy),
        (Answer(200, b"<html><body>log in</body></html>"), VolumesUnreachable),
        (Answer(200, b"<DescribeSnapshotsResponse><snapsh"), VolumesUnreachable),
        (Answer(200), VolumesUnreachable),
    ],
    ids=["busy", "mute", "another's", "cut", "empty"],
)
def test_each_request_is_made_once(server: ScriptedServer, answer: Answer, kind: type[VolumeError]) -> None:
    """Retries are the engine's; and a broken answer never means that there are no snapshots."""
    server.expect(answer)
    with pytest.raises(VolumeError) as refused:
        volumes(server.url).look([Snapshot(provider="aws", id="snap-1", state="cut")])
    assert type(refused.value) is kind
    assert refused.value.retriable
    assert len(server.asked) == 1


def test_a_certificate_that_nobody_vouches_for(server: ScriptedServer, tmp_path: Path) -> None:
    """Is no network that may come back."""
    with ScriptedServer(certificate=make_certificate(tmp_path)) as other, pytest.raises(VolumeError) as refused:
        volumes(other.url).found(TAGS)
    assert "AWS_CA_BUNDLE" in refused.value.hint
    assert not refused.value.retriable


def test_nobody_is_asked_before_there_is_something_to_ask(server: ScriptedServer) -> None:
    """Not at the start, and neither for nothing."""
    reached = volumes(server.url, profile="not there")
    reached.prepare([])
    assert reached.look([]) == ()
    assert server.asked == []


def test_many_threads_share_one_client(server: ScriptedServer) -> None:
    """Whoever comes first makes it; one role for all of them."""
    server.expect(assumed("FIRST", 3600), *[NONE] * 16)
    reached = volumes(server.url, roleArn=ROLE)

    def ask(_: int) -> TrysailError | None:
        try:
            reached.found(TAGS)
        except TrysailError as error:
            return error
        return None

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {None}
    assert sorted(said(one)[0] for one in server.asked) == ["AssumeRole"] + ["DescribeSnapshots"] * 16
