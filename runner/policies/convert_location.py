"""BackupStorageLocation of Velero's → the spec of ours. Pure; no secret is read, and none is guessed where it is.

Source of the fields: Velero's backupstoragelocation_types.go, and the backupstoragelocation.md of the plugins for AWS
and Azure.
"""

from __future__ import annotations

import re
import shlex

from runner.policies.convert_notes import Draft, Original, Severity

PROVIDERS = {
    "aws": "s3",
    "velero.io/aws": "s3",
    "azure": "azure",
    "velero.io/azure": "azure",
}
_STORAGE = ("spec", "objectStorage")
_CONFIG = ("spec", "config")
_ENCRYPTIONS = ("AES256", "aws:kms")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")  # of a Secret, so that nothing else is ever repeated
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_SECRET_KEY = "{secretKeyRef: {namespace: NAMESPACE, name: SECRET, key: KEY}}"  # noqa: S105 -- what is to be written
S3_KEYS = f"credential: {{accessKeyId: {_SECRET_KEY}, secretAccessKey: {_SECRET_KEY}}}"
_AZURE_KEY = f"credential: {{accountKey: {_SECRET_KEY}}}"

_S3_NO_MEANING = {
    "publicUrl": "it is for links that Velero's command line downloads from",
    "signatureVersion": "it is for links that Velero's command line downloads from",
    "enableSharedConfig": "AWS' own configuration files are always read",
    "checksumAlgorithm": "each upload is proven by what the store is known to check",
}
_AZURE_NO_MEANING = {
    "resourceGroup": "Azure's management API is not asked",
    "subscriptionId": "Azure's management API is not asked",
    "blockSizeInBytes": "the size of blocks is decided here",
    "apiVersion": "the version of Azure's API is decided here",
}


def fill_location(original: Original, draft: Draft, name: str) -> bool:
    """Fills in the spec of `draft`, which is called `name`; False where no provider here is like that of Velero's."""
    provider = original.text("spec", "provider")
    ours = PROVIDERS.get(provider, "")
    if not provider:
        original.mistake(("spec", "provider"), "is missing", "the object store's plugin: aws, azure …")
        return False
    if not ours:
        _no_provider(original, provider)
        return False
    draft.put(("spec", "provider"), ours, ("spec", "provider"))
    original.mapping(*_STORAGE)
    bucket = original.value(*_STORAGE, "bucket")
    if bucket is None:
        original.mistake((*_STORAGE, "bucket"), "is missing", "the bucket, or container, that backups are kept in")
    draft.put((*_STORAGE, "bucket"), bucket or "missing", (*_STORAGE, "bucket"))
    _prefix(original, draft)
    if ours == "s3":
        _s3(original, draft)
        _certificates_of_s3(original, draft, name)
        _credential_of_s3(original)
    else:
        _azure(original, draft)
        _certificates_of_azure(original)
        _credential_of_azure(original)
    _rest(original)
    return True


def _no_provider(original: Original, provider: str) -> None:
    known = provider.removeprefix("velero.io/")
    which = "Google Cloud Storage is" if known == "gcp" else "this provider is"
    original.note(
        Severity.CHANGES,
        ("spec", "provider"),
        f"{which} not in this version, so that no location is made of this",
        "keep backups in a folder, in S3 or what speaks its protocol, or in Azure Blob Storage, and let the policies' "
        "storageLocation name that",
    )


def _prefix(original: Original, draft: Draft) -> None:
    """A prefix beside Velero's, and never within: it calls a location unavailable that has folders not its own."""
    path = (*_STORAGE, "prefix")
    prefix = original.text(*path).strip("/")
    if original.text("spec", "accessMode") == "ReadOnly":
        original.note(
            Severity.TO_DO,
            ("spec", "accessMode"),
            "Velero only reads here; nothing in this version holds a location to that",
            "let no policy name it, or give it credentials that cannot write",
        )
        if prefix:
            draft.put(path, prefix, path)
    elif prefix:
        draft.put(path, f"{prefix}-trysail", path)
        original.note(
            Severity.OTHERWISE,
            path,
            "the prefix is one beside Velero's: as long as Velero is there, it calls its location unavailable once "
            "something else lies below its own",
        )
    else:
        draft.put(path, "trysail", _STORAGE)
        original.note(
            Severity.CHANGES,
            _STORAGE,
            "Velero has this bucket without a prefix, so that the whole of it is Velero's: it calls the location "
            "unavailable, and makes no more backups, once something else lies there",
            "as long as Velero is there, take another bucket before the first run",
        )


def _s3(original: Original, draft: Draft) -> None:
    original.mapping(*_CONFIG)
    for field in ("region", "s3Url"):
        if value := original.text(*_CONFIG, field):
            draft.put((*_CONFIG, field), value, (*_CONFIG, field))
    for field in ("s3ForcePathStyle", "insecureSkipTLSVerify"):
        if original.flag(*_CONFIG, field):
            draft.put((*_CONFIG, field), True, (*_CONFIG, field))
    profile = original.text(*_CONFIG, "profile")
    if profile == "default":
        original.note(Severity.NO_MEANING, (*_CONFIG, "profile"), "it is taken where no other is named")
    elif profile:
        draft.put((*_CONFIG, "profile"), profile, (*_CONFIG, "profile"))
    _encryption(original, draft)
    if original.value(*_CONFIG, "tagging") is not None:
        original.note(
            Severity.TO_DO,
            (*_CONFIG, "tagging"),
            "objects in the bucket get no tags",
            "where a rule of the bucket looks at them, let it look at the prefix",
        )
    if original.value(*_CONFIG, "credentialsFile") is not None:
        _credentials_file(original, S3_KEYS)
    _no_meaning(original, _S3_NO_MEANING)


def _encryption(original: Original, draft: Draft) -> None:
    """A kmsKeyId means aws:kms to Velero, whatever is said beside it."""
    kms, encryption = (*_CONFIG, "kmsKeyId"), (*_CONFIG, "serverSideEncryption")
    key, algorithm = original.text(*kms), original.text(*encryption)
    if key:
        draft.put(kms, key, kms)
        draft.put(encryption, "aws:kms", encryption if algorithm else kms)
    elif algorithm in _ENCRYPTIONS:
        draft.put(encryption, algorithm, encryption)
    elif algorithm:
        original.note(
            Severity.CHANGES,
            encryption,
            f"known here are {' and '.join(_ENCRYPTIONS)}",
            "make it the bucket's own default",
        )
    for field in ("customerKeyEncryptionFile", "customerKeyEncryptionSecret"):
        if original.value(*_CONFIG, field) is not None:
            original.note(
                Severity.CHANGES,
                (*_CONFIG, field),
                "the store does not encrypt with a key that you send along (SSE-C)",
                "write serverSideEncryption: aws:kms and kmsKeyId, and let nobody else read the bucket",
            )


def _certificates_of_s3(original: Original, draft: Draft, name: str) -> None:
    file = f"{name}-ca.pem"
    if original.value(*_STORAGE, "caCert") is not None:
        draft.put((*_STORAGE, "caFile"), file, (*_STORAGE, "caCert"))
        original.note(
            Severity.TO_DO,
            (*_STORAGE, "caCert"),
            "certificates are in a file here, and not in the document",
            f"write them into it, where Trysail runs: kubectl get backupstoragelocation {_on_command_line(original)} "
            f"-o jsonpath='{{.spec.objectStorage.caCert}}' | base64 -d > {file}",
        )
    if original.value(*_STORAGE, "caCertRef") is not None:
        draft.put((*_STORAGE, "caFile"), file, (*_STORAGE, "caCertRef"))
        original.note(
            Severity.TO_DO,
            (*_STORAGE, "caCertRef"),
            "certificates are in a file here, and not in a Secret",
            f"write what the Secret holds into {file}, where Trysail runs, or mount it there",
        )


def _on_command_line(original: Original) -> str:
    namespace = original.text("metadata", "namespace")
    name = shlex.quote(original.text("metadata", "name"))
    return f"{name} -n {shlex.quote(namespace)}" if namespace else name


def _certificates_of_azure(original: Original) -> None:
    for field in ("caCert", "caCertRef"):
        if original.value(*_STORAGE, field) is not None:
            original.note(
                Severity.TO_DO,
                (*_STORAGE, field),
                "an azure location names no certificates of its own",
                "let the machine that Trysail runs on trust them",
            )


def _credential_of_s3(original: Original) -> None:
    if original.mapping("spec", "credential"):
        original.note(
            Severity.TO_DO,
            ("spec", "credential"),
            f"{secret_of(original)} a whole credentials file of AWS, and not one key; without a credential, AWS' own "
            "chain decides: environment, profile, instance role",
            f"put the two keys into a Secret as two values, and name each: {S3_KEYS}",
        )
    else:
        original.note(
            Severity.TO_DO,
            ("spec",),
            "without a credential, Velero takes its server's own; here AWS' own chain decides: environment, profile, "
            "instance role",
            f"have it decide for a key that may read and write there, or name one: {S3_KEYS}",
        )


def _azure(original: Original, draft: Draft) -> None:
    original.mapping(*_CONFIG)
    account = original.text(*_CONFIG, "storageAccount")
    if account:
        draft.put((*_CONFIG, "storageAccount"), account, (*_CONFIG, "storageAccount"))
    else:
        original.mistake((*_CONFIG, "storageAccount"), "is missing", "the storage account's name")
    _account_uri(original, draft, account)
    if original.flag(*_CONFIG, "useAAD"):
        original.note(Severity.NO_MEANING, (*_CONFIG, "useAAD"), "a location without a credential does so")
    if original.value(*_CONFIG, "activeDirectoryAuthorityURI") is not None:
        original.note(
            Severity.TO_DO,
            (*_CONFIG, "activeDirectoryAuthorityURI"),
            "a location does not say which authority logs in",
            "set AZURE_AUTHORITY_HOST where Trysail runs",
        )
    if original.value(*_CONFIG, "credentialsFile") is not None:
        _credentials_file(original, _AZURE_KEY)
    _no_meaning(original, _AZURE_NO_MEANING)


def _account_uri(original: Original, draft: Draft, account: str) -> None:
    path = (*_CONFIG, "storageAccountURI")
    uri = original.text(*path).rstrip("/")
    if uri and "://" not in uri:
        # Velero's own documentation has it without.
        uri = f"https://{uri}"
    if uri == f"https://{account}.blob.core.windows.net":
        original.note(Severity.NO_MEANING, path, "it is the one that the account has in Azure's public cloud")
    elif uri:
        draft.put(path, uri, path)


def _credential_of_azure(original: Original) -> None:
    variable = (*_CONFIG, "storageAccountKeyEnvVar")
    if original.mapping("spec", "credential"):
        original.note(
            Severity.TO_DO,
            ("spec", "credential"),
            f"{secret_of(original)} a whole credentials file of Azure, and not one key; without a credential, Azure's "
            "own chain decides: environment, workload or managed identity",
            f"give such an identity the role Storage Blob Data Contributor, or name the account's key: {_AZURE_KEY}",
        )
    elif original.value(*variable) is None:
        original.note(
            Severity.TO_DO,
            ("spec",),
            "without a credential, Azure's own chain decides: environment, workload or managed identity",
            f"give it the role Storage Blob Data Contributor, or name the account's key: {_AZURE_KEY}",
        )
    if original.value(*variable) is not None:
        original.note(
            Severity.TO_DO,
            variable,
            "it names a line of Velero's credentials file",
            f"put the account's key where it can be named by itself: {_AZURE_KEY}",
        )


def _credentials_file(original: Original, keys: str) -> None:
    original.note(
        Severity.TO_DO,
        (*_CONFIG, "credentialsFile"),
        "a location names keys, and not a file of several",
        f"write {keys}",
    )


def secret_of(original: Original) -> str:
    """`the Secret velero/keys holds, under "cloud",`."""
    namespace = original.text("metadata", "namespace")
    name, key = original.text("spec", "credential", "name"), original.text("spec", "credential", "key")
    if not _NAME.fullmatch(name) or not _KEY.fullmatch(key):
        return "the Secret that is named holds"
    where = f"{namespace}/{name}" if _NAME.fullmatch(namespace) else name
    return f'the Secret {where} holds, under "{key}",'


def _rest(original: Original) -> None:
    if original.flag("spec", "default"):
        original.note(
            Severity.OTHERWISE,
            ("spec", "default"),
            "no location is the default here: each policy names its own, and those converted along with it do",
        )
    if original.value("spec", "worker") is not None:
        original.note(
            Severity.TO_DO,
            ("spec", "worker"),
            "a location has no identity of its own",
            "give the identity to whatever runs Trysail",
        )
    for field, why in (
        ("backupSyncPeriod", "the bucket alone says which backups there are"),
        ("validationFrequency", "a location is looked at when it is used"),
    ):
        if original.value("spec", field) is not None:
            original.note(Severity.NO_MEANING, ("spec", field), why)


def _no_meaning(original: Original, fields: dict[str, str]) -> None:
    for field, why in fields.items():
        if original.value(*_CONFIG, field) is not None:
            original.note(Severity.NO_MEANING, (*_CONFIG, field), why)
