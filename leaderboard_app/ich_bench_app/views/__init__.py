"""Which pages are there, in which order, under which title."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """One page: its script in this folder (also its address), its title, the icon beside it."""

    file: str
    title: str
    icon: str


GROUPS: Mapping[str, tuple[View, ...]] = {
    "Standings": (
        View("leaderboard", "Leaderboard", ":material/leaderboard:"),
        View("significance", "Significance", ":material/grid_on:"),
        View("compare_two", "Compare two", ":material/compare_arrows:"),
        View("rank_stability", "Rank stability", ":material/swap_vert:"),
        View("claims", "Claims", ":material/fact_check:"),
    ),
    "Heads": (
        View("cases", "Cases", ":material/view_module:"),
        View("subtypes", "Subtypes", ":material/bar_chart:"),
        View("healthy_heads", "Healthy heads", ":material/health_and_safety:"),
    ),
    "Methods": (
        View("method", "Method", ":material/article:"),
        View("label_efficiency", "Label efficiency", ":material/trending_up:"),
        View("try_a_submission", "Try a submission", ":material/upload_file:"),
    ),
    "Reading": (
        View("datasets_and_folds", "Datasets & folds", ":material/database:"),
        View("metrics", "Metrics", ":material/straighten:"),
        View("about", "About", ":material/info:"),
    ),
}
VIEWS: Mapping[str, View] = {view.file: view for views in GROUPS.values() for view in views}
