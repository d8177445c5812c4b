"""What lies around and below the skull: skin, fat and muscle, the bone of the skull base, orbits, air cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ich_bench.phantom.anatomy import Anatomy, Shell, away_mm
from ich_bench.phantom.chance import Floats

_FAR = -30.0


@dataclass(frozen=True, kw_only=True)
class Around:
    """Places seen from outside the cavity: depths in mm, positive inside; HU of soft tissue."""

    skin_mm: Floats  # below the skin
    muscle_mm: Floats  # thickness of muscle on the bone
    vault_bone_mm: Floats  # thickness of the vault's bone, negative where the face has none
    base_mm: Floats  # inside the bone of the skull base and face
    air_mm: Floats  # inside sinuses and air cells
    soft_mm: Floats  # below the skull base, inside the face
    soft_hu: Floats
    suture_mm: Floats  # distance from a suture or a surgeon's cut
    grain: Floats


def around(head: Anatomy, x: Floats, y: Floats, z: Floats, outline: Shell) -> Around:
    """Return what lies around the skull at flat places."""
    grain = head.grain.at(x, y, z)
    above = -outline.vault_mm - outline.bone_mm
    temple = np.clip(1.15 - ((z + 14) / 42) ** 2 - ((y - 10) / 40) ** 2, 0.0, 1.0) * np.clip(
        np.abs(x) / 20 - 1, 0.0, 1.0
    )
    nape = np.clip((-18.0 - z) / 22.0, 0.0, 1.0) * np.clip((-25.0 - y) / 25.0, 0.0, 1.0)
    muscle = 7.5 * temple + 11.0 * nape + 0.9 + 0.3 * outline.lumps
    occiput = np.clip(-y / 90.0, 0.0, 1.0) * np.clip(1.0 - np.abs(z + 5.0) / 50.0, 0.0, 1.0)
    scalp = head.scalp_mm * (1.0 + 0.16 * outline.lumps) + muscle + 2.5 * occiput
    skin = scalp - above
    base, air = np.full(x.shape, _FAR), np.full(x.shape, _FAR)
    soft_hu = np.full(x.shape, head.fat_hu)
    soft = np.full(x.shape, _FAR)
    bone = outline.bone_mm.copy()
    low = np.nonzero(z < 14.0)
    if low[0].size:
        some = outline.at(low)
        face = _Face(head, x[low], y[low], z[low], some, grain[low])
        skin[low] = np.maximum(skin[low], face.skin())
        base[low], air[low] = face.bone_and_air()
        soft[low], soft_hu[low] = face.soft(skin[low])
        bone[low] = face.vault_bone()
    return Around(
        skin_mm=skin, muscle_mm=muscle, vault_bone_mm=bone, base_mm=base, air_mm=air, soft_mm=soft, soft_hu=soft_hu,
        suture_mm=_sutures(head, x, y, z, outline), grain=grain,
    )  # fmt: skip


def _sutures(head: Anatomy, x: Floats, y: Floats, z: Floats, outline: Shell) -> Floats:
    """Return the distance from the nearest suture: coronal, sagittal, lambdoid; wavy lines."""
    wave = 1.8 * head.grain.at(1.3 * x, z, 1.3 * y)
    side = np.abs(x)
    coronal = np.abs(y - 27.0 + 0.22 * z + wave)
    lambdoid = np.abs(y + 60.0 - 0.25 * z + 0.25 * (side - 30.0) + wave)
    sagittal = np.where((y > -62.0) & (y < 27.0), side + np.abs(wave), 9.0)
    near = np.minimum(np.minimum(coronal, lambdoid), sagittal) + np.clip(-z / 6.0, 0.0, 9.0)
    near = near + (0.0 if head.infant else 0.35)
    if head.craniotomy is not None:
        near = np.minimum(near, np.abs(away_mm(head.craniotomy, x, y, z)) - 0.6)
    return near


def _ball(
    x: Floats, y: Floats, z: Floats, centre: tuple[float, float, float], half: tuple[float, float, float]
) -> Floats:
    """Return about the depth inside an ellipsoid, in mm."""
    px, py, pz = (x - centre[0]) / half[0], (y - centre[1]) / half[1], (z - centre[2]) / half[2]
    return (1.0 - np.sqrt(px * px + py * py + pz * pz)) * min(half)


class _Face:
    """The part below the brain, at flat places; an adult's millimetres, scaled to the head."""

    def __init__(self, head: Anatomy, x: Floats, y: Floats, z: Floats, outline: Shell, grain: Floats) -> None:
        grown = head.half_length_mm / 82.5
        self.head, self.outline, self.grain = head, outline, grain
        self.x, self.y, self.z = x / grown, y / grown, z / grown
        self.fine = head.grain.at(1.8 * (np.abs(x) - 55.0) + 20.0 * np.sign(x), 1.8 * (y + 32.0), 1.8 * (z + 42.0))
        self.bump = head.bumps.at(x, y, z)
        self.side = np.abs(self.x + 1.2 * self.bump)
        self.below = -outline.floor_mm
        y, z = self.y, self.z
        # an orbit is a cone: its middle line runs from the rim to the apex, inwards
        along = np.clip((66.0 - y) / 44.0, 0.0, 1.0)
        mid, radius = 33.0 - 17.0 * along, 18.5 - 12.5 * along**1.5
        self.orbit = radius - np.sqrt((np.abs(self.x) - mid) ** 2 + ((z + 43.0 - 2.0 * along) * 1.1) ** 2)
        self.orbit = np.minimum(self.orbit, y - 20.0)

    def skin(self) -> Floats:
        """Return the depth below the skin of face, nose, ears and neck."""
        x, y, z, side = self.x, self.y, self.z, np.abs(self.x)
        oval = np.sqrt((x / 71.0) ** 2 + ((y - 4.0) / 90.0) ** 2 + 0.12 * (x / 71.0) ** 2 * ((y - 4.0) / 90.0) ** 2)
        face = (1.0 - oval) * 71.0 - 1.2 * np.maximum(z + 30.0, 0.0) - 0.45 * np.maximum(-78.0 - z, 0.0)
        eye = _ball(side, y, z, (32.0, 77.0, -43.0), (15.0, 14.0, 13.0))
        bridge = np.clip((-20.0 - z) / 45.0, 0.0, 1.0)
        nose = np.minimum((6.0 + 10.0 * bridge) - side * 1.1, 90.0 + 15.0 * bridge - y - 0.6 * side) - 3.0 * np.maximum(
            z + 24.0, 0.0
        )
        nose = np.where(y > 70.0, nose, -30.0)
        ear = _ball(side + 0.10 * (10.0 + y), y, z, (77.0, -22.0, -30.0), (6.0, 17.0, 27.0))
        ear = np.minimum(ear, 2.6 - np.abs(side - 77.0 - 3.0 * np.sin(y / 4.5) + 0.12 * (y + 22.0)))
        return np.maximum(np.maximum(face, eye), np.maximum(nose, ear))

    def vault_bone(self) -> Floats:
        """Return the thickness of the vault's bone, which ends at the brow and at the foramen magnum."""
        grown_front = np.clip((self.y - 26.0) / 8.0, 0.0, 1.0) * np.clip((-26.0 - self.z) / 5.0, 0.0, 1.0)
        brow = 4.5 * np.exp(-(((self.z + 19.0) / 8.0) ** 2)) * np.clip((self.y - 48.0) / 10.0, 0.0, 1.0)
        below = np.clip((self.below - 4.0) / 3.0, 0.0, 1.0) * np.clip((-46.0 - self.z) / 4.0, 0.0, 1.0)
        return self.outline.bone_mm + brow - 30.0 * np.maximum(grown_front, below)

    def bone_and_air(self) -> tuple[Floats, Floats]:
        """Return the depths inside bone and inside air."""
        x, y, z, side, below = self.x, self.y, self.z, self.side, self.below
        vault = self.outline.vault_mm
        thin = np.where(y > 22.0, 2.2, 4.5)
        plate = np.minimum(below, thin - below)
        plate = np.minimum(plate, vault + 1.5)  # under the brain only
        hole = _ball(x, y, z, (0.0, -32.0, -68.0), (15.0, 17.0, 30.0))
        plate = np.minimum(plate, -hole)
        inner = np.clip((side - 15.0) / 50.0, 0.0, 1.0)
        petrous = np.minimum(below, 20.0 + 6.0 * inner - below)
        petrous = np.minimum(petrous, 13.0 + 7.0 * inner - np.abs(y + 16.0 + 26.0 * inner))
        petrous = np.minimum(np.minimum(petrous, side - 13.0), 74.0 - side)
        petrous = np.minimum(np.minimum(petrous, vault + 9.0), z + 72.0)
        mastoid = _ball(side, y, z, (57.0, -34.0, -45.0), (13.0, 16.0, 19.0))
        mastoid = np.minimum(mastoid, below + 1.0)
        sphenoid = np.minimum(below, _ball(side, y, z, (0.0, 8.0, -46.0), (19.0, 21.0, 40.0)))
        sphenoid = np.minimum(sphenoid, z + 72.0)
        wing = np.minimum(
            1.9 - np.abs(y - 25.0 - 0.30 * (side - 20.0) - 0.012 * (side - 38.0) ** 2 - self.bump),
            np.minimum(below, np.minimum(side - 16.0, 60.0 - side)),
        )
        wing = np.minimum(wing, vault + 5.0)
        walls = 1.6 - np.abs(self.orbit + 1.4)
        walls = np.minimum(walls, 62.0 - y)
        rim = 4.0 - np.hypot(
            np.hypot(side - 33.0, (z + 43.0) * 1.05) - 20.5, y - 60.0 + 0.30 * np.maximum(side - 30.0, 0.0)
        )
        arch = 3.2 - np.hypot(side - 66.0 + 0.012 * (y - 22.0) ** 2, z + 46.0)
        arch = np.minimum(arch, np.minimum(y + 8.0, 58.0 - y))
        nasal = np.minimum(1.8 - np.abs(side - 5.5 - 0.35 * (88.0 - y)), np.minimum(y - 66.0, 84.0 - y)) - np.maximum(
            z + 27.0, 0.0
        )
        condyle = _ball(side, y, z, (52.0, -4.0, -54.0), (8.0, 5.0, 6.0))
        bone = np.maximum.reduce(
            [plate, petrous, mastoid, sphenoid, wing, walls, rim, arch, nasal, condyle, self._neck()]
        )
        return bone, self._air(mastoid, petrous)

    def _neck(self) -> Floats:
        """Return the depths inside the first vertebrae and the jaw's ascending parts."""
        y, z, side = self.y, self.z, self.side
        body = (1.0 - np.hypot(side / 11.0, (y + 8.0) / 8.5)) * 8.5
        ring = 2.6 - np.abs(np.hypot(side, 0.95 * (y + 30.0)) - 17.5)
        wings = (1.0 - np.hypot((side - 26.0) / 11.0, (y + 16.0) / 6.0)) * 6.0
        spine = np.minimum(np.maximum.reduce([body, ring, wings]), -76.0 - z)
        jaw = np.minimum(3.6 - np.abs(side - 47.0 + 0.10 * (y - 10.0)), 15.0 - np.abs(y - 14.0 + 0.2 * (z + 70.0)))
        return np.maximum(spine, np.minimum(jaw, -60.0 - z))

    def _air(self, mastoid: Floats, petrous: Floats) -> Floats:
        x, y, z, side, vault = self.x, self.y, self.z, self.side, self.outline.vault_mm
        cells = np.minimum(np.maximum(mastoid - 2.0, np.minimum(petrous - 3.0, side - 40.0)), 2.2 * (self.fine + 0.1))
        canal = 2.6 - np.hypot(y + 19.0 + 0.1 * (side - 60.0), z + 37.0 + 0.12 * (side - 60.0))
        canal = np.minimum(canal, side - 48.0)
        throat = np.minimum((1.0 - np.hypot(side / 13.0, (y - 15.0) / 7.0)) * 7.0 + self.bump, -73.0 - z)
        canal = np.maximum(canal, throat)
        if self.head.infant:  # cells and sinuses grow later
            return canal
        within = _ball(side, y, z, (0.0, 47.0, -47.0), (13.5, 27.0, 21.0))
        septa = 2.6 * np.abs(np.sin(0.42 * y + 1.1 * self.bump)) - 0.45
        septa = np.minimum(septa, 2.6 * np.abs(np.sin(0.30 * side + 0.5 * self.bump + 0.1)) - 0.35)
        ethmoid = np.minimum(within, np.minimum(septa, -30.0 - z))
        sinus = _ball(side, y, z, (0.0, 12.0, -45.0), (14.0, 12.0, 12.0)) + 0.8 * self.bump
        sinus = np.minimum(sinus, np.abs(self.x - 2.0 + self.bump) - 0.7)
        antrum = _ball(side, y, z, (30.0, 48.0, -76.0), (14.0, 16.0, 15.0))
        size = self.head.frontal_sinus
        frontal = _ball(side, y, z, (7.0, 84.0, -23.0), (8.0 * size + 4.0, 16.0, 6.0 * size + 3.0)) + 0.8 * self.bump
        within = np.minimum(-vault - 1.8, vault + self.vault_bone() - 1.8) if size else np.full(x.shape, _FAR)
        frontal = np.minimum(frontal, within)
        frontal = np.minimum(frontal, np.abs(self.x + 2.0) - 0.7)
        air: Floats = np.maximum.reduce([cells, canal, ethmoid, sinus, antrum, frontal])
        return air

    def soft(self, skin: Floats) -> tuple[Floats, Floats]:
        """Return the depth inside the soft tissue of the face, and its HU: muscle parted by fat, orbits with globes."""
        y, z, side, head = self.y, self.z, np.abs(self.x), self.head
        outside = np.minimum(-self.outline.vault_mm - self.outline.bone_mm, -14.0 - z)
        soft = np.minimum(skin - 5.0 - 2.0 * self.bump, np.maximum(self.below - 1.0, outside))
        above = -self.outline.vault_mm - self.outline.bone_mm
        layers = np.abs(np.sin(0.27 * above + 1.1 * self.bump + 0.03 * side))
        across = np.abs(np.sin(0.16 * side + 0.10 * above + 0.8 * self.bump + 0.6))
        share = np.clip((np.minimum(1.2 * layers, across) - 0.05 + 0.1 * self.grain) / 0.22, 0.0, 1.0)
        hu = head.fat_hu + share * (head.muscle_hu + 4.0 * self.grain - head.fat_hu)
        inside = np.clip(0.5 + self.orbit / 1.6, 0.0, 1.0)
        eye = (side, y, z)
        globe = _ball(*eye, (32.5, 72.0, -43.0), (12.0, 12.0, 12.0))
        strands = np.minimum(1.9 - np.abs(side - 33.0 + 0.36 * (62.0 - y)), 2.2 - np.abs(z + 43.0))  # optic nerve
        cone = 1.7 - np.abs(self.orbit - 3.6)  # muscles along the wall
        cone = np.minimum(cone, np.maximum(4.0 - np.abs(z + 43.0), 4.0 - np.abs(side - 33.0 + 0.36 * (62.0 - y))))
        threads = np.clip(0.5 + np.maximum(strands, np.minimum(cone, 62.0 - y)) / 1.6, 0.0, 1.0)
        content = -88.0 + threads * 130.0
        content = content + np.clip(0.5 + globe / 1.6, 0.0, 1.0) * (40.0 - content)
        content = content + np.clip(0.5 + (globe - 1.9) / 1.2, 0.0, 1.0) * (head.parameters.tissue.globe_hu - content)
        lens = _ball(*eye, (32.5, 80.5, -43.0), (4.6, 2.2, 4.6))
        content = content + np.clip(0.5 + lens / 1.4, 0.0, 1.0) * (75.0 - content)
        soft = np.minimum(np.maximum(soft, np.maximum(self.orbit, globe)), skin - 1.6)
        shown = np.maximum(inside, np.clip(0.5 + globe / 1.6, 0.0, 1.0))
        return soft, hu + shown * (content - hu)
