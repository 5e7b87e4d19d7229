"""Names become adapters here, and nowhere else. Vendors are imported when they are asked for: each takes its time."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from pydantic import TypeAdapter, ValidationError

from runner.adapters.threads import SystemClock, ThreadExecutor
from runner.engine.render_here import RenderHere
from runner.engine.retry import Retrier
from runner.errors import UsageError
from runner.model.location import (
    AzureLocation,
    FilesystemLocation,
    LocationSpec,
    S3Location,
    SecretRef,
)
from runner.ports import Clock, Cluster, ClusterReader, ObjectStore, Observer, Renderer

if TYPE_CHECKING:  # models of policies take their time, and verbs that read by --location need none
    from runner.model.policy_set import PolicySet, ResolvedPolicy

WORKERS = 8  # requests at once: what an API server serves a single client well, and a laptop can use

WRITERS = 16  # items written at once: beyond that, an API server on two cores only queues

# A process takes 0.1 s to start and about 20 MiB; it saves 0.1 ms of this one's time for each item.
WORTH_A_PROCESS = 3000  # items
MOST_RENDERERS = 2  # more would wait for the API server

_RANDOM_BYTES = 2  # the four hexadecimal digits that end a backup's name


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """Which cluster the command line means."""

    context: str | None = None
    kubeconfig: str | None = None
    manifests: str | None = None

    def __post_init__(self) -> None:
        if self.manifests is not None and (self.context is not None or self.kubeconfig is not None):
            raise UsageError(
                "--manifests is a cluster of its own", hint="leave out --context and --kubeconfig, or --manifests"
            )

    def words(self) -> list[str]:
        """The options that name the same cluster again."""
        named = {"--context": self.context, "--kubeconfig": self.kubeconfig, "--manifests": self.manifests}
        return [word for option, value in named.items() if value is not None for word in (option, value)]


@dataclass(frozen=True, slots=True)
class OpenLocation:
    """A store to read backups from, and what is known of which are meant."""

    store: ObjectStore
    location: LocationSpec
    cluster: str | None = None  # the policy's clusterName
    policies: tuple[str, ...] = ()


def open_cluster(choice: ClusterChoice, *, create: bool = False) -> Cluster:
    """The cluster that is meant. Opens no connection yet. With `create`, a folder need not be there yet."""
    _silence_vendors()
    if choice.manifests is not None:
        from runner.adapters.manifests import ManifestsCluster  # noqa: PLC0415

        return ManifestsCluster(Path(choice.manifests), create=create)
    from runner.adapters.kubernetes import KubernetesCluster  # noqa: PLC0415 -- half a second

    return KubernetesCluster.connect(choice.kubeconfig, choice.context)


def open_store(location: LocationSpec, cluster: Callable[[], ClusterReader]) -> ObjectStore:
    """The store of a location; its secrets are fetched now. `cluster` is asked for where a Secret is named."""
    _silence_vendors()
    return STORES[location.provider](location, partial(secret, cluster=cluster))


def open_location(
    filenames: Sequence[str], policy: str | None, location_url: str | None, choice: ClusterChoice | None = None
) -> OpenLocation:
    """Where to read backups: by --location URL, or as the policies of -f say."""
    cluster = cached_cluster(choice or ClusterChoice())
    if location_url is not None:
        if filenames:
            raise UsageError("-f and --location are two answers to one question", hint="give one of them")
        location = location_of_url(location_url)
        return OpenLocation(open_store(location, cluster), location)
    if not filenames:
        raise UsageError("where are the backups?", hint="give -f PATH of the policies, or --location URL")
    from runner.policies.load import load_policies  # noqa: PLC0415 -- PyYAML

    loaded = load_policies(filenames)
    chosen = [choose_policy(loaded, policy)] if policy is not None or not loaded.locations else list(loaded.policies)
    locations = {resolved.location_name or resolved.policy.metadata.name: resolved.location for resolved in chosen}
    specs = list(locations.values()) or list(loaded.locations.values())
    if any(spec != specs[0] for spec in specs):
        raise UsageError(
            "the policies keep their backups in different locations: " + ", ".join(sorted(locations)),
            hint="choose one with --policy NAME",
        )
    names = {resolved.policy.spec.cluster_name for resolved in chosen}
    return OpenLocation(
        store=open_store(specs[0], cluster),
        location=specs[0],
        cluster=names.pop() if len(names) == 1 else None,
        policies=tuple(resolved.policy.metadata.name for resolved in chosen),
    )


def choose_policy(loaded: PolicySet, name: str | None) -> ResolvedPolicy:
    """The policy that is meant: the only one, or the one that is named."""
    names = [resolved.policy.metadata.name for resolved in loaded.policies]
    if name is None and len(names) == 1:
        return loaded.policies[0]
    if not names:
        raise UsageError("no BackupPolicy in these files", hint="give -f a file or folder that holds one")
    if name is None:
        raise UsageError("several policies: " + ", ".join(names), hint="choose one with --policy NAME")
    for resolved in loaded.policies:
        if resolved.policy.metadata.name == name:
            return resolved
    raise UsageError(f'no policy is named "{name}"', hint="there are: " + ", ".join(names))


def cached_cluster(choice: ClusterChoice) -> Callable[[], ClusterReader]:
    """Opens the cluster once, when it is first asked for."""
    return cache(partial(open_cluster, choice))


def location_of_url(url: str) -> LocationSpec:
    """`s3://bucket/prefix?region=…&s3Url=…`, `azure://account/container/prefix`, `file:///path` or a path."""
    scheme, found, _ = url.partition("://")
    if not found:
        slip = _SLIP.match(url)
        if slip:
            raise UsageError(
                f"--location {url} lacks the slashes of a URL",
                hint=f"did you mean {slip[1]}://{url[slip.end() :]}? A folder of that name is ./{url}",
            )
        return FilesystemLocation(provider="filesystem", path=url)
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    path = parts.path.strip("/")
    match scheme:
        case "file":
            return FilesystemLocation(provider="filesystem", path=parts.path)
        case "s3":
            storage = {"bucket": parts.netloc, "prefix": path, **_taken(options, "caFile")}
            document = {"provider": "s3", "objectStorage": storage, "config": _typed(options)}
        case "azure":
            container, _, prefix = path.partition("/")
            document = {
                "provider": "azure",
                "objectStorage": {"bucket": container, "prefix": prefix},
                "config": {"storageAccount": parts.netloc, **options},
                **_azure_credential(),
            }
        case _:
            raise UsageError(f"no store is known for {scheme}://", hint="s3://, azure://, file:// or a path")
    try:
        return _LOCATION.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"--location {url} is not understood: {field}: {first['msg']}",
            hint="options are those of the location's config: ?region=…&s3Url=…&s3ForcePathStyle=true&profile=…",
        ) from error


def backup_name(policy: str, clock: Clock) -> str:
    """`<policy>-YYYYMMDDhhmmss-<4 hex>`: a legal Kubernetes name that two runs do not share."""
    return f"{policy}-{clock.now():%Y%m%d%H%M%S}-{secrets.token_hex(_RANDOM_BYTES)}"


def executor(workers: int = WORKERS) -> ThreadExecutor:
    """Where concurrent work runs; to be used as a context manager."""
    return ThreadExecutor(workers)


@contextmanager
def renderer(items: int) -> Iterator[Renderer]:
    """Where YAML is made: in processes beside this one, one fewer than there are cores, where it is worth them."""
    spare = min((os.cpu_count() or 1) - 1, MOST_RENDERERS)
    if items < WORTH_A_PROCESS or spare < 1:
        yield RenderHere()
        return
    from runner.adapters.renderers import ProcessRenderers  # noqa: PLC0415

    with ProcessRenderers(spare) as processes:
        yield processes


def clock() -> Clock:
    """The clock of this machine."""
    return SystemClock()


def retrier(observer: Observer) -> Retrier:
    """Retries with the usual limits."""
    return Retrier(clock(), observer)


Secret = Callable[[SecretRef | None], str | None]


def _filesystem(location: LocationSpec, secret: Secret) -> ObjectStore:
    from runner.adapters.filesystem import FilesystemStore  # noqa: PLC0415

    del secret
    assert isinstance(location, FilesystemLocation)
    return FilesystemStore(Path(location.path).expanduser())


def _s3(location: LocationSpec, secret: Secret) -> ObjectStore:
    from runner.adapters.s3 import S3Store  # noqa: PLC0415 -- boto3 takes its time

    assert isinstance(location, S3Location)
    credential = location.credential
    if credential is None:
        return S3Store(location)
    return S3Store(
        location,
        access_key_id=secret(credential.access_key_id),
        secret_access_key=secret(credential.secret_access_key),
        session_token=secret(credential.session_token),
    )


def _azure(location: LocationSpec, secret: Secret) -> ObjectStore:
    from runner.adapters.azure import AzureStore  # noqa: PLC0415 -- an optional extra

    assert isinstance(location, AzureLocation)
    credential = location.credential
    if credential is None:
        return AzureStore(location)
    return AzureStore(location, account_key=secret(credential.account_key), sas_token=secret(credential.sas_token))


# provider -> how its store is made
STORES: dict[str, Callable[[LocationSpec, Secret], ObjectStore]] = {
    "filesystem": _filesystem,
    "s3": _s3,
    "azure": _azure,
}


def _silence_vendors() -> None:
    """What goes wrong leaves an adapter as an error; SDKs would print it again, without our care for secrets."""
    logging.getLogger().addHandler(logging.NullHandler())


FETCHED: set[str] = set()  # every secret that this process has fetched: none of them may be printed


def secret(reference: SecretRef | None, cluster: Callable[[], ClusterReader]) -> str | None:
    """The text of a secret that is named; None where none is."""
    if reference is None:
        return None
    from runner.adapters.secrets import fetch_secret  # noqa: PLC0415

    value = fetch_secret(reference, cluster)
    FETCHED.add(value)
    return value


def _azure_credential() -> dict[str, dict[str, dict[str, str]]]:
    """Without a policy, the variables that Azure's own command line reads."""
    for variable, field in (("AZURE_STORAGE_KEY", "accountKey"), ("AZURE_STORAGE_SAS_TOKEN", "sasToken")):
        if os.environ.get(variable):
            return {"credential": {field: {"env": variable}}}
    return {}


def _taken(options: dict[str, str], name: str) -> dict[str, str]:
    return {name: options.pop(name)} if name in options else {}


def _typed(options: dict[str, str]) -> dict[str, str | bool]:
    words = {"true": True, "false": False}
    return {name: words.get(value, value) for name, value in options.items()}


_SLIP = re.compile(r"(s3|azure|file):/?(?!/)")  # a URL that lacks slashes: no folder is called so
_LOCATION: TypeAdapter[LocationSpec] = TypeAdapter(LocationSpec)
