"""Which numbers is a drawn head made from, and where does each come from?

Each number's source stands beside it: a paper or textbook by author and year; "measured" means measured on one public
head CT (GE, gantry tilt 18.5 degrees, 4 and 7 mm slices); "ours" says why. Ranges are (low, high), drawn evenly;
(mean, sd) pairs are named `..._mean_sd` and drawn normally, cut at 2.5 sd. HU hold for 120 kV.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ich_bench.errors import UsageError, did_you_mean

PHANTOM_VERSION = 1  # a version's heads never change
Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """Density of the tissues, in HU; sd between heads."""

    csf_mean_sd: Span = (8.0, 2.5)  # Bushberg 2012: water to 15 HU
    white_mean_sd: Span = (28.0, 1.3)  # Torbey 2000: internal capsule 28
    grey_mean_sd: Span = (37.0, 1.3)  # Torbey 2000: caudate 37; the difference is kept in 6-11
    muscle_mean_sd: Span = (52.0, 4.0)  # Bushberg 2012: 40-60
    fat_mean_sd: Span = (-92.0, 8.0)  # Bushberg 2012: -100...-60
    skin_hu: float = 32.0  # measured, partial volume of 2 mm of skin
    dura_hu: float = 60.0  # ours: thin sheet, so that falx and tentorium read 42-50 at 5 mm as measured
    venous_blood_mean_sd: Span = (51.0, 5.0)  # Black 2011: 50 +- 7, near haematocrit in percent + 10
    table_mean_sd: Span = (1500.0, 120.0)  # Bushberg 2012: 1000-1700; sampled at 1 mm, so that P90 over 300 HU is right
    diploe_mean_sd: Span = (620.0, 110.0)  # Bushberg 2012: 300-700
    infant_bone_share: float = 0.55  # ours: infants' vault has one thin table, 500-900 HU
    globe_hu: float = 9.0  # vitreous; measured


@dataclass(frozen=True, kw_only=True)
class Skull:
    """Thickness of the vault, in mm."""

    frontal_mm: float = 7.0  # Lynnerup 2001: 6.6-7
    parietal_mm: float = 6.0  # Lynnerup 2001: 5.4-6
    occipital_mm: float = 8.0  # Lynnerup 2001: 7.6-8.3
    temporal_mm: float = 2.8  # textbook: 2-4 at the squama
    protuberance_mm: float = 13.0  # textbook: 12-15 at the internal occipital protuberance
    relative_mean_sd: Span = (1.0, 0.15)  # Lynnerup 2001: between-person sd 15-20 %
    infant_mm: Span = (1.2, 3.0)  # Delye 2015: 1-3 mm in the first two years
    scalp_mm: Span = (4.0, 7.0)  # measured 4-6 over the vault; textbook 3-8


@dataclass(frozen=True, kw_only=True)
class Build:
    """Sizes of the head, in mm, mL and years."""

    half_width_mean_sd: Span = (66.0, 1.8)  # of the cavity; with skull and scalp 145-160 mm (Gordon 1989)
    half_length_mean_sd: Span = (82.5, 2.2)  # of the cavity; with skull and scalp 180-195 mm (Gordon 1989)
    height_mean_sd: Span = (71.0, 1.8)  # of the cavity above the thalami; makes 1330-1480 mL (Ruigrok 2014)
    size_sd: float = 0.022  # common to all three axes: volume sd about 7 % (Ruigrok 2014)
    female_size: float = 0.966  # Ruigrok 2014: a tenth less volume
    asymmetry_sd: float = 0.02  # measured 0.03: no head is a mirror image of itself
    ventricle_ml_at_20: float = 13.0  # Scahill 2003: doubles from 20 to 60, doubles again by 80
    ventricle_ml_at_80: float = 42.0  # Ambarki 2010: 37 +- 18 in the elderly
    ventricle_log_sd: float = 0.33  # P5-P95 9-55 mL over ages 20-90
    sulcus_mm: Span = (0.32, 0.85)  # half width when young, and what age adds; measured 0.8-1.6 in an old head
    leukoaraiosis_hu: float = 9.0  # darkening around the ventricles of the very old; measured 5-8


@dataclass(frozen=True, kw_only=True)
class Mimics:
    """Shares of heads that hold something that looks like blood, or hides it, and is in no mask."""

    pineal_share: float = 0.65  # Daghighi 2007: 71 % of adults; Zimmerman 1982
    pineal_hu: Span = (80.0, 300.0)  # textbook
    choroid_share: float = 0.58  # Daghighi 2007: 66 %; Modic 1980
    choroid_hu: Span = (80.0, 260.0)  # textbook; measured 250 at 7 mm
    falx_share: float = 0.15  # Daghighi 2007: 7 %; textbook 10-20 %
    falx_hu: Span = (100.0, 500.0)  # textbook
    dense_sinus_share: float = 0.15  # ours: young or dehydrated, venous blood 60-70 (Black 2011)
    dense_sinus_hu: Span = (60.0, 70.0)  # Black 2011
    tumour_share: float = 0.08  # ours: hyperdense meningioma or lymphoma, seen in some of every hundred
    tumour_hu: Span = (42.0, 58.0)  # textbook: meningioma 40-60
    infarct_share: float = 0.12  # ours: old infarct, a fluid-filled gap; in the measured head too
    stain_share: float = 0.05  # ours: contrast left in cortex or nuclei after an angiography
    stain_hu: Span = (48.0, 75.0)  # textbook
    shunt_share: float = 0.04  # ours
    shunt_hu: Span = (250.0, 900.0)  # textbook: barium-loaded tube to metal valve
    cavum_share: float = 0.05  # textbook: cavum septi pellucidi, 2-15 % of adults
    craniectomy_share: float = 0.03  # ours
    craniotomy_share: float = 0.03  # ours: bone flap with gaps and plates after an operation
    motion_share: float = 0.10  # ours: streaks over a few slices


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What the scanner adds besides blur."""

    peak_per_mm: Span = (0.19, 0.28)  # Solomon 2012, Friedman 2013: noise power peaks at 0.15-0.3/mm
    rim_hu: Span = (4.0, 10.0)  # textbook: brightening under the inner table, a false subdural
    rim_mm: Span = (5.0, 8.0)  # textbook: its depth
    texture_hu: float = 0.9  # ours: slow unevenness of brain tissue; measured sd of means of 1 cm squares 1-1.5


@dataclass(frozen=True, kw_only=True)
class Site:
    """One scanner with its patients. `like` names the dataset it follows."""

    name: str
    like: str
    prevalence: float  # share of heads with a bleed
    thickness_mm: tuple[tuple[float, float], ...]  # (thickness, share)
    kernel: str  # "sharp", "standard" or "smooth"
    fwhm_mm: Span  # in-plane blur
    boost: Span  # edge enhancement: how far the transfer function rises over 1
    noise_5mm_hu: Span  # sd in brain at 5 mm; thinner slices by the root of the thickness
    offset_hu: Span  # calibration
    gain: Span  # brain contrast against water: kV and calibration
    hardening: Span  # multiplies beam hardening
    length_mm: Span  # of the whole scan, from neck to air above the vertex
    view_mm: Span  # field of view
    tilt_share: float
    tilt_deg: Span
    padding_hu: tuple[tuple[int, float], ...]  # (value, share)
    age_years: Span
    infant_share: float
    child_share: float
    face_blur: bool = False  # faces made unrecognisable
    turn_deg: tuple[float, float, float] = (8.0, 4.0, 8.0)  # half range of yaw, roll, pitch


_A = Site(
    name="a",
    like="seg-cq500",
    prevalence=1.0,  # Spahr 2023: 51 of 51
    thickness_mm=((1.25, 0.82), (3.0, 0.08), (5.0, 0.10)),  # thin as 42 of 51; ours: 1.25 for 0.625 halves the files
    kernel="sharp",
    fwhm_mm=(0.85, 1.05),  # textbook: 0.9 sharp
    boost=(0.16, 0.32),  # ours: visible dark and bright rims along bone
    noise_5mm_hu=(3.9, 5.0),  # measured 2.6-3.2 at 7 mm is 3.1-3.8 at 5 mm; sharp kernel a quarter more
    offset_hu=(-1.0, 1.0),
    gain=(0.97, 1.03),
    hardening=(0.8, 1.1),
    length_mm=(134.0, 134.0),  # ours: from the orbits to the vertex, as thin slices make large files
    view_mm=(222.0, 245.0),  # 0.45-0.49 mm pixels of 512
    tilt_share=0.63,  # 32 of 51 affines sheared
    tilt_deg=(3.0, 24.0),  # largest tilt 24 degrees
    padding_hu=((-3024, 0.9), (-1024, 0.1)),  # 46 and 5 of 51
    age_years=(35.0, 90.0),
    infant_share=0.0,
    child_share=0.0,
)
_B = Site(
    name="b",
    like="hssayeni",
    prevalence=0.48,  # Hssayeni 2020: 36 of 75
    thickness_mm=((5.0, 1.0),),  # Hssayeni 2020
    kernel="smooth",
    fwhm_mm=(1.45, 1.75),  # ours: a smooth kernel, as the site shift must show
    boost=(0.0, 0.05),
    noise_5mm_hu=(3.0, 3.7),  # textbook: 3.0-4.5 at 5 mm
    offset_hu=(-3.0, -1.0),
    gain=(0.90, 0.96),  # ours: weaker grey-white contrast
    hardening=(0.65, 0.95),
    length_mm=(176.0, 199.0),  # Hssayeni 2020: 37.5 slices of 5 mm in the mean
    view_mm=(205.0, 240.0),  # .314-.488 mm pixels, median .42
    tilt_share=0.0,  # headers carry none; heads are pitched instead
    tilt_deg=(0.0, 0.0),
    padding_hu=((-1024, 1.0),),
    age_years=(1.0, 72.0),  # Hssayeni 2020: mean 28 +- 20 years
    infant_share=0.06,  # Hssayeni 2020 has patients of days to months
    child_share=0.18,
    face_blur=True,  # Hssayeni 2020
    turn_deg=(9.0, 5.0, 12.0),
)
_C = Site(
    name="c",
    like="instance2022",
    prevalence=1.0,  # Li 2023: all of the 100 open ones
    thickness_mm=((5.0, 0.84), (4.5, 0.10), (5.4, 0.06)),  # 4.4-5.4, 84 of 100 exactly 5
    kernel="standard",
    fwhm_mm=(1.25, 1.50),  # textbook: 1.2-1.6 standard
    boost=(0.08, 0.18),
    noise_5mm_hu=(3.2, 4.2),
    offset_hu=(1.5, 3.0),
    gain=(1.04, 1.10),  # ours: lower effective energy, stronger contrast
    hardening=(1.1, 1.3),
    length_mm=(140.0, 157.0),  # Li 2023: 29.8 slices in the mean
    view_mm=(212.0, 250.0),  # .371-.599 mm pixels, median .45
    tilt_share=0.0,
    tilt_deg=(0.0, 0.0),
    padding_hu=((-2048, 1.0),),
    age_years=(30.0, 88.0),
    infant_share=0.0,
    child_share=0.0,
)
_D = Site(
    name="d",
    like="held back",
    prevalence=0.7,
    thickness_mm=((2.5, 0.5), (4.0, 0.5)),
    kernel="standard",
    fwhm_mm=(1.0, 1.6),
    boost=(0.1, 0.5),
    noise_5mm_hu=(3.6, 5.6),
    offset_hu=(-4.0, 4.0),
    gain=(0.88, 1.12),
    hardening=(1.0, 1.3),
    length_mm=(134.0, 165.0),
    view_mm=(205.0, 255.0),
    tilt_share=0.4,
    tilt_deg=(4.0, 20.0),
    padding_hu=((-1024, 0.5), (-2000, 0.5)),
    age_years=(18.0, 95.0),
    infant_share=0.02,
    child_share=0.05,
    turn_deg=(12.0, 7.0, 12.0),
)
SITES: Mapping[str, Site] = MappingProxyType({site.name: site for site in (_A, _B, _C, _D)})


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Everything the drawn heads are made from."""

    tissue: Tissue = field(default_factory=Tissue)
    skull: Skull = field(default_factory=Skull)
    build: Build = field(default_factory=Build)
    mimics: Mimics = field(default_factory=Mimics)
    noise: Noise = field(default_factory=Noise)

    def at_site(self, site: str) -> Parameters:
        """Return the parameters as site `site` has them: site d holds twice the mimics (shares at most 0.9)."""
        if site != "d":
            return self
        shares = {name: min(0.9, 2 * value) for name, value in vars(self.mimics).items() if name.endswith("_share")}
        return replace(self, mimics=replace(self.mimics, **shares))


PARAMETERS = Parameters()


def site_of(name: str) -> Site:
    """Return the site of this name; UsageError for others."""
    if name not in SITES:
        raise UsageError(f"{name!r} is no site. {did_you_mean(name, SITES)}")
    return SITES[name]
