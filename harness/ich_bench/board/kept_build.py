"""Which board stands of files of which some are at fault: the fewest are left out, each with why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from functools import partial

from ich_bench.board import public
from ich_bench.board.kept_faults import (
    Fault,
    Sieve,
    keep_current,
    keep_readable,
    keep_references,
    sieve,
    usual_profile,
)
from ich_bench.board.model import Board
from ich_bench.board.public import Sources
from ich_bench.cases import Card
from ich_bench.errors import Problem, UsageError
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.metrics.profiles import find_profile

_TRIAL_DRAWS = 1


def tolerant(
    about: Card,
    sources: Sources,
    *,
    scheme: str | None,
    profile: str | None,
    metrics: Collection[str],
    draws: int,
) -> tuple[Board, tuple[Problem, ...]]:
    """Return the board of the score files that can stand together, and the others, each with why; it never refuses.

    Which side is left out when files disagree: what this version computes stays (its suite, its folds), else what most
    files say; among equals what the file of the slug that comes first says. First is judged what the files say of
    themselves; only where the board then cannot be built, what is in their rows; then each by itself; at last all of
    them are left out. Arguments are those of `public.board_of`; UsageError for an unknown scheme, profile or metric.
    """
    folds = load_scheme(about.id, scheme)
    found = sieve(sources, about.id, folds.name)
    notes = list(sources.notes)
    keep_current(found, folds.sha256)
    if profile is None and (usual := usual_profile(found)) is not None:
        others = sorted({one.file.profile for one in found.held} - {usual})
        notes += [f"Scores under profile {printable(name)} stand on a board of their own." for name in others]
        profile = usual
    if profile is not None:
        profile = find_profile(profile).name
        found.held = [one for one in found.held if one.file.profile == profile]
    keep_references(found)
    options = {"scheme": folds.name, "profile": profile, "metrics": metrics}

    def built(left_out: Collection[object], told: Collection[Problem], draws: int) -> Board:
        said = (*notes, *(f"left out: {problem}" for problem in told))
        here = dataclasses.replace(sources, notes=said)
        return public.board_of(about, here, leave=left_out, draws=draws, **options)  # type: ignore[arg-type]

    def by_itself(found: Sieve) -> None:
        paths = {one.file.path for one in found.held}
        found.drop(lambda one: _trial(partial(built, found.left_out | paths - {one.file.path}, (), _TRIAL_DRAWS)))

    def none(found: Sieve) -> None:
        found.drop(lambda one: ("cannot stand beside the others.", ""))

    for narrow in (_nothing, keep_readable, by_itself, none):
        narrow(found)
        try:
            return built(found.left_out, found.problems, draws), tuple(found.problems)
        except UsageError:
            raise
        except Exception as fault:  # a bug, or rows that no check foresaw: the page must stand all the same
            last = fault
    raise last


def _nothing(found: Sieve) -> None:
    """Leave out no more."""


def _trial(build: Callable[[], Board]) -> Fault | None:
    try:
        build()
    except UsageError:
        raise
    except Exception as fault:
        return f"no board can be built of it: {type(fault).__name__}.", "Score the predictions again."
    return None
