"""Draws every drawn head again and writes their frozen lines: `python tests/freeze_heads.py [DATASET…]`.

A version's heads never change. Run this only for a version that has not been released: what changes a released head
raises the version in `ich_bench.phantom.plan.RECIPES`, and this then writes a new file beside the old.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ich_bench.phantom.library import spread
from ich_bench.phantom.plan import RECIPES, PlannedHead, planned
from ich_bench.phantom.records import HEAD_COLUMNS, Row, csv_bytes, frozen_path, head_row


def main(datasets: tuple[str, ...]) -> None:
    """Write the frozen file of each dataset, drawn by every core; a head that is ill but shows no bleed is an error."""
    for dataset in datasets:
        rows: dict[str, Row] = {}
        for row in spread(line, [(head,) for head in planned(dataset)], jobs=0):
            rows[row["case_id"]] = row
            print(f"\r{dataset} {len(rows)}/{len(planned(dataset))}", end="", file=sys.stderr, flush=True)
        for head in planned(dataset):
            if (rows[head.case_id]["has_ich"] == "1") != head.has_ich:
                raise SystemExit(f"\n{head.case_id}: planned {'ill' if head.has_ich else 'healthy'}, drawn otherwise")
        path: Path = frozen_path(dataset, RECIPES[dataset].version)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(csv_bytes([rows[head.case_id] for head in planned(dataset)], HEAD_COLUMNS))
        print(f"\r{path}", file=sys.stderr)


def line(head: PlannedHead) -> Row:
    """Return the head's line of `heads.csv`."""
    return head_row(head.drawn())


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or tuple(RECIPES))
