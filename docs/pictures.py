"""Draws the pictures in docs/phantom/: `python docs/pictures.py`. All is drawn; no patient is involved."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ich_bench.cases import SUBTYPES
from ich_bench.phantom import montage
from ich_bench.phantom.letters import write_on
from ich_bench.phantom.plan import PlannedHead

HERE = Path(__file__).parent / "phantom"


def main() -> None:
    """Write the three pictures."""
    montage.write_png(HERE / "windows.png", windows())
    montage.write_png(HERE / "sites.png", sites())
    montage.write_png(HERE / "subtypes.png", subtypes())


def windows() -> montage.Pixels:
    """One head with several bleeds: a window a row, a slice a column."""
    scan = montage.scanned(head("b", ("iph", "ivh", "sdh"), 7))
    return montage.joined(montage.window_rows(scan, montage.slices_shown(scan, 5)))


def sites() -> montage.Pixels:
    """A head a site, a window a column."""
    rows = []
    for site in "abc":
        scan = montage.scanned(head(site, ("iph",), 2))
        row = [montage.tile(scan, montage.fullest(scan), window) for window in montage.WINDOWS]
        for words, one in zip((f"site {site}", *("",) * 2), row, strict=True):
            write_on(one, words)
        rows.append(row)
    return montage.joined(rows)


def subtypes() -> montage.Pixels:
    """A subtype a column, without and with its outline."""
    plain, outlined = [], []
    for number, subtype in enumerate(SUBTYPES):
        scan = montage.scanned(head("c", (subtype,), 20 + number))
        k = montage.fullest(scan)
        plain.append(montage.tile(scan, k, "brain", outlined=False))
        outlined.append(montage.tile(scan, k, "brain"))
        write_on(plain[-1], subtype)
    return montage.joined([plain, outlined])


def head(site: str, bleeds: tuple[str, ...], number: int) -> PlannedHead:
    """Return a head of no dataset."""
    name = f"picture-{number:03}"
    return PlannedHead(case_id=name, patient_id=name, site=site, bleeds=bleeds, seed=(np.iinfo("u4").max, number))


if __name__ == "__main__":
    main()
