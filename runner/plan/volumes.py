"""Every selected claim and volume, and those whose data nothing protects."""

from __future__ import annotations

from runner.model.inventory import ClaimFacts, VolumeFacts
from runner.model.plan import Uncovered
from runner.plan.needs import CLAIMS, VOLUMES
from runner.plan.picture import Picture

# So far objects alone are stored: whatever a volume's kind, no rule reaches its data.
WHY_UNCOVERED = "the claim is stored, its data is not: no rule protects it"


def selected_volumes(picture: Picture) -> tuple[str, ...]:
    """What must not be gone: `persistentvolumeclaims/<namespace>/<name>` and `persistentvolumes/<name>`, sorted."""
    claims = [f"persistentvolumeclaims/{row.namespace}/{row.name}" for row in picture.rows(CLAIMS)]
    volumes = [f"persistentvolumes/{row.name}" for row in picture.rows(VOLUMES)]
    return tuple(sorted(claims + volumes))


def uncovered_volumes(picture: Picture) -> tuple[Uncovered, ...]:
    """Each selected volume that holds data and that nothing protects, by name. A pending claim holds none."""
    volumes = {row.name: row.facts for row in picture.all_rows(VOLUMES) if isinstance(row.facts, VolumeFacts)}
    uncovered = []
    claimed = set()
    for row in picture.rows(CLAIMS):
        if not isinstance(row.facts, ClaimFacts) or not row.facts.volume:
            continue
        claimed.add(row.facts.volume)
        facts = volumes.get(row.facts.volume)
        uncovered.append(
            Uncovered(
                claim=f"{row.namespace}/{row.name}",
                volume=row.facts.volume,
                capacity=row.facts.capacity,
                storage_class=row.facts.storage_class,
                source=facts.source if facts is not None else "",
                why=WHY_UNCOVERED,
            )
        )
    for row in picture.rows(VOLUMES):
        if row.name in claimed or not isinstance(row.facts, VolumeFacts):
            continue
        uncovered.append(
            Uncovered(
                claim=row.facts.claim,
                volume=row.name,
                capacity=row.facts.capacity,
                storage_class=row.facts.storage_class,
                source=row.facts.source,
                why="the volume's object is stored, its data is not: no rule protects it",
            )
        )
    return tuple(sorted(uncovered, key=lambda volume: (volume.claim, volume.volume)))
