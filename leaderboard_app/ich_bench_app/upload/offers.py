"""Which datasets may a visitor score against here, and where do their heads lie on this machine?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ich_bench import places
from ich_bench.board.across import DRAWN
from ich_bench.board.public import scored_datasets
from ich_bench.errors import IchBenchError
from ich_bench.phantom.library import HEADS, default_folder, missing
from ich_bench.phantom.plan import planned
from ich_bench_app.started import started

QUICK = "phantom-mini"  # so few heads that they are drawn while a visitor waits


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A dataset that strangers may score against. `data` is its folder here; `lacking` says why it cannot be used."""

    dataset: str
    data: Path | None
    draw: bool = False  # its heads are drawn first
    lacking: str = ""

    @property
    def ready(self) -> bool:
        """Return whether an upload can be scored against it now."""
        return not self.lacking


def offers() -> tuple[Offer, ...]:
    """Return what may be scored against, ready ones first.

    That are the drawn datasets, and of the others those that the host allows (`ich-bench app --allow-upload`). A host
    whose list is empty offers nothing.
    """
    allowed = started().uploads
    if allowed is not None and not allowed:
        return ()
    wanted = [one for one in scored_datasets() if one.startswith(DRAWN) or one in (allowed or ())]
    return tuple(sorted((_offer(one) for one in wanted), key=lambda offer: (not offer.ready, offer.dataset != QUICK)))


def _offer(dataset: str) -> Offer:
    root = started().data_root
    below = None if root is None else Path(root) / dataset
    if below is not None and below.is_dir():
        return Offer(dataset=dataset, data=below.resolve())
    if dataset.startswith(DRAWN):
        folder = default_folder(dataset).resolve()
        whole = (folder / HEADS).is_file() and not missing(planned(dataset), folder)
        told = f"its host runs `ich-bench phantom make {dataset}`"
        return Offer(
            dataset=dataset,
            data=folder,
            draw=not whole and dataset == QUICK,
            lacking="" if whole or dataset == QUICK else told,
        )
    try:
        return Offer(dataset=dataset, data=places.data_folder(dataset).resolve())
    except IchBenchError:
        told = f"its host runs `ich-bench prepare {dataset} --source DIR`"
        return Offer(dataset=dataset, data=None, lacking=told)
