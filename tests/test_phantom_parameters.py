"""The numbers that heads are drawn from: one frozen place, each with its source, site d apart from the others."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from ich_bench.phantom import parameters
from ich_bench.phantom.parameters import PARAMETERS, SITES, Parameters, site_of


def test_every_number_of_tissue_skull_build_mimics_and_noise_names_its_source() -> None:
    for part in fields(Parameters):
        kind = type(getattr(PARAMETERS, part.name))
        assert is_dataclass(kind)
        lines = inspect.getsource(kind).splitlines()
        for each in fields(kind):
            line = next(line for line in lines if line.strip().startswith(f"{each.name}:"))
            comment = line.partition("#")[2]
            known = any(word in comment for word in ("20", "19", "textbook", "measured", "ours", "definition"))
            assert known, f"{kind.__name__}.{each.name} has no source"


def test_parameters_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        PARAMETERS.noise.texture_hu = 2.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        SITES["a"] = SITES["b"]  # type: ignore[index]


def test_the_held_back_site_holds_twice_the_mimics_and_the_others_do_not() -> None:
    usual = PARAMETERS.mimics
    held_back = PARAMETERS.at_site("d").mimics
    assert held_back.choroid_share == 0.9  # 2 x 0.58, at most 0.9
    assert held_back.tumour_share == 2 * usual.tumour_share
    assert held_back.tumour_hu == usual.tumour_hu
    assert PARAMETERS.at_site("a") == PARAMETERS


def test_ranges_run_from_low_to_high_and_shares_add_up() -> None:
    for site in SITES.values():
        for each in fields(site):
            value = getattr(site, each.name)
            if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, float) for part in value):
                assert value[0] <= value[1], f"{site.name}.{each.name}"
        assert sum(share for _, share in site.thickness_mm) == pytest.approx(1)
        assert sum(share for _, share in site.padding_hu) == pytest.approx(1)
        assert 0 < site.prevalence <= 1
    assert site_of("a") is parameters.SITES["a"]
