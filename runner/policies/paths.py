"""Paths of fields, as people read them. Where a secret may stand, only the names of our own fields are ever shown."""

from __future__ import annotations

from runner.model.location import AzureCredential, ManagedIdentity, S3Credential, SecretKeyRef, SecretRef

FieldPath = tuple[str | int, ...]

# Below these, references to secrets stand, and somebody may write the secret itself.
_SECRETS = frozenset(("credential", "repositoryPassword"))
_CREDENTIAL_FIELDS = frozenset(
    field.alias or name
    for model in (S3Credential, AzureCredential, ManagedIdentity, SecretRef, SecretKeyRef)
    for name, field in model.model_fields.items()
)


def dotted(path: FieldPath) -> str:
    """`spec.includedNamespaces[0]`; a key that is no plain word is quoted in brackets."""
    text = ""
    for position, part in enumerate(path):
        if secret(path[:position]) and isinstance(part, str) and part not in _CREDENTIAL_FIELDS:
            return text
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("-", "").replace("_", "").isalnum() and part.isascii():
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def secret(path: FieldPath) -> bool:
    """Whether `path` leads to where somebody may have written a secret itself."""
    return not _SECRETS.isdisjoint(path)
