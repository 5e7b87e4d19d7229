"""How EC2 is reached: one client, its credentials and the role that it assumes; calls whose every refusal is ours."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials

from runner.adapters.ebs_answers import VENDOR_ERRORS, code_of, cut_off, error_of
from runner.errors import VolumeError
from runner.model.snapshot_location import AwsSnapshotConfig

_CONNECTIONS = 64
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_ROLE_SESSION = "trysail"


class Ec2:
    """Calls to EC2 in one region. A role is assumed on first use, and again before its time is over."""

    def __init__(
        self, config: AwsSnapshotConfig, access_key_id: str | None, secret_access_key: str | None, token: str | None
    ) -> None:
        self.region = config.region
        self._config = config
        self._keys = (access_key_id, secret_access_key, token)
        self._client: Any = None
        self._lock = Lock()

    def call(
        self, action: str, method: str, subject: str, *, needs: Collection[str] = (), **arguments: Any
    ) -> dict[str, Any]:
        """One request. `action` is EC2's own name of it, `subject` whom it is about, for people.

        `needs` are fields that every answer to it has: one without them is not EC2's.
        """
        try:
            answer: dict[str, Any] = getattr(self._opened(), method)(**arguments)
        except VENDOR_ERRORS as error:
            raise error_of(error, region=self.region, action=action, subject=subject) from error
        self._check(action, answer, needs)
        return answer

    def pages(
        self, action: str, method: str, field: str, *, each: Collection[str], **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Every item of every page, in EC2's order; `each` of them has these fields."""
        token: dict[str, str] = {}
        while True:
            answer = self.call(action, method, "", needs=[field], **arguments, **token)
            for item in answer[field]:
                self._check(action, item, each)
                yield item
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    @contextmanager
    def passing(self, code: str) -> Iterator[None]:
        """Within it, a refusal with this code is no error: what is to go is gone."""
        try:
            yield
        except VolumeError as error:
            if code_of(error.__cause__) != code:
                raise

    def _check(self, action: str, found: dict[str, Any], needs: Collection[str]) -> None:
        if not found.keys() >= set(needs):
            raise cut_off(action, {"region": self.region})

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._session().create_client("ec2", **self._options())
            return self._client

    def _session(self) -> botocore.session.Session:
        session = botocore.session.Session(profile=self._config.profile)
        key, secret, token = self._keys
        if key is not None:
            session.set_credentials(key, secret, token)
        if self._config.role_arn is None:
            return session
        sts = session.create_client("sts", **self._options())
        role = self._config.role_arn

        def assume() -> dict[str, str]:
            try:
                made = sts.assume_role(RoleArn=role, RoleSessionName=_ROLE_SESSION)["Credentials"]
                return {
                    "access_key": made["AccessKeyId"],
                    "secret_key": made["SecretAccessKey"],
                    "token": made["SessionToken"],
                    "expiry_time": made["Expiration"].isoformat(),
                }
            except KeyError:
                return {}  # it is not STS that has answered; botocore has an error of its own for no credentials

        assumed = botocore.session.Session(profile=self._config.profile)
        assumed._credentials = DeferredRefreshableCredentials(assume, "assume-role")  # noqa: SLF001 -- no other way
        return assumed

    def _options(self) -> dict[str, Any]:
        """Without an endpoint of ours, AWS' own ways to name one hold, for each service by itself."""
        # One attempt: retries are the engine's.
        config = Config(
            retries={"total_max_attempts": 1},
            max_pool_connections=_CONNECTIONS,
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )
        return {"region_name": self.region, "endpoint_url": self._config.endpoint, "config": config}
