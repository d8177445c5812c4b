"""Whose head is it? One person, drawn: sizes, age, densities, what calcified, what was operated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ich_bench.phantom.base import Base, draw_base
from ich_bench.phantom.chance import Field, between, chance, creases, normal, smooth_field, uniforms
from ich_bench.phantom.parameters import PARAMETERS, Parameters, site_of


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One person's head. Half axes are those of the intracranial cavity."""

    age_years: float
    female: bool
    half_width_mm: float
    half_length_mm: float
    height_mm: float
    lean: tuple[float, float, float, float, float]  # how the outline differs from an ellipse, left from right
    skull: float  # thickness relative to an adult's usual
    scalp_mm: float
    atrophy: float  # 0 young, 1 old: wide ventricles and sulci, dark white matter around them
    ventricle: float  # width of the ventricles relative to the usual
    grey_hu: float
    white_hu: float
    csf_hu: float
    muscle_hu: float
    fat_hu: float
    table_hu: float
    diploe_hu: float
    sinus_hu: float
    dense_sinus: bool
    brightening_hu: float  # beam hardening under the inner table: a false rim of blood
    brightening_mm: float
    cavum: bool
    craniectomy: tuple[float, float, float, float] | None  # a missing piece of the vault: centre, radius
    craniotomy: tuple[float, float, float, float] | None  # a piece put back
    frontal_sinus: float  # size of its air, 0 none
    infant: bool
    parameters: Parameters
    base: Base
    lumps: Field  # slow: shape of the skull, density
    bumps: Field  # roughness of the inner table, waviness of everything in the brain
    folds: Field  # mm from the nearest sulcus, on the brain's surface
    grain: Field  # quick: diploë, air cells, texture


def draw_anatomy(rng: np.random.Generator, site: str = "b", parameters: Parameters = PARAMETERS) -> Anatomy:
    """Return a person of the site, drawn."""
    where, build, tissue = site_of(site), parameters.build, parameters.tissue
    parameters = parameters.at_site(site)
    mimics = parameters.mimics
    young = float(uniforms(rng, (1,))[0])
    infant, child = young < where.infant_share, young < where.infant_share + where.child_share
    age = between(rng, 0.1, 1.5) if infant else between(rng, 2.0, 15.0) if child else 0.0
    if not child:
        age = between(rng, max(18.0, where.age_years[0]), where.age_years[1])
    female = chance(rng, 0.48)
    size = normal(rng, 1.0, build.size_sd) * (build.female_size if female else 1.0)
    size *= between(rng, 0.76, 0.90) if infant else between(rng, 0.94, 0.99) if child else 1.0
    skull = normal(rng, *parameters.skull.relative_mean_sd)
    if infant:
        skull = between(rng, *parameters.skull.infant_mm) / parameters.skull.parietal_mm
    elif child:
        skull *= 0.55 + 0.45 * (age - 2.0) / 13.0
    atrophy = float(np.clip((age - 25.0) / 60.0 + normal(rng, 0.0, 0.12), 0.0, 1.0))
    grown = np.interp(
        age, (0.0, 20.0, 80.0, 100.0), (0.5, 1.0, build.ventricle_ml_at_80 / build.ventricle_ml_at_20, 4.0)
    )
    ventricle_ml = build.ventricle_ml_at_20 * float(grown) * float(np.exp(normal(rng, 0.0, build.ventricle_log_sd)))
    dense = chance(rng, mimics.dense_sinus_share)
    white = normal(rng, *tissue.white_mean_sd)
    opened = _opening(rng)
    half_length_mm = normal(rng, *build.half_length_mean_sd) * size
    lumps, bumps = smooth_field(rng, 20.0), smooth_field(rng, 7.0)
    operated = float(uniforms(rng, (1,))[0])
    return Anatomy(
        age_years=age,
        female=female,
        half_width_mm=normal(rng, *build.half_width_mean_sd) * size,
        half_length_mm=half_length_mm,
        height_mm=normal(rng, *build.height_mean_sd) * size,
        lean=(
            normal(rng, 0.0, build.asymmetry_sd),
            normal(rng, 0.0, build.asymmetry_sd),
            normal(rng, 0.0, 0.012),
            normal(rng, 0.0, 0.008),
            between(rng, 0.0, 6.28),
        ),
        skull=skull,
        scalp_mm=between(rng, *parameters.skull.scalp_mm) * (0.6 if infant else 1.0),
        atrophy=atrophy,
        ventricle=float((ventricle_ml / _VENTRICLE_ML) ** _VENTRICLE_POWER),
        white_hu=white,
        grey_hu=float(np.clip(normal(rng, *tissue.grey_mean_sd), white + 6.5, white + 11.0)),
        csf_hu=normal(rng, *tissue.csf_mean_sd),
        muscle_hu=normal(rng, *tissue.muscle_mean_sd),
        fat_hu=normal(rng, *tissue.fat_mean_sd),
        table_hu=normal(rng, *tissue.table_mean_sd) * (tissue.infant_bone_share if infant else 1.0),
        diploe_hu=normal(rng, *tissue.diploe_mean_sd),
        sinus_hu=between(rng, *mimics.dense_sinus_hu) if dense else normal(rng, *tissue.venous_blood_mean_sd),
        dense_sinus=dense,
        brightening_hu=between(rng, *parameters.noise.rim_hu),
        brightening_mm=between(rng, *parameters.noise.rim_mm),
        cavum=chance(rng, mimics.cavum_share),
        craniectomy=opened if operated < mimics.craniectomy_share else None,
        craniotomy=opened if 1.0 - mimics.craniotomy_share <= operated else None,
        frontal_sinus=0.0 if child else between(rng, 0.3, 1.3),
        infant=infant,
        parameters=parameters,
        base=draw_base(lumps, bumps, half_length_mm / build.half_length_mean_sd[0]),
        lumps=lumps,
        bumps=bumps,
        folds=creases(smooth_field(rng, 4.4)),
        grain=smooth_field(rng, 2.3),
    )


# How the ventricles' volume follows their width, fitted over drawn heads; held by a test.
_VENTRICLE_ML = 14.5
_VENTRICLE_POWER = 0.57


def _opening(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return centre and radius of a surgeon's opening, at the side of the vault."""
    side = 1.0 if chance(rng, 0.5) else -1.0
    return side * 58.0, between(rng, -25.0, 30.0), between(rng, 18.0, 40.0), between(rng, 22.0, 40.0)
