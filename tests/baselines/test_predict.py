"""A slice's mask comes back to its own voxels, under the window it was trained in; each case is written once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ich_bench.cases import Case  # noqa: E402
from ich_bench.errors import IchBenchError, InputError  # noqa: E402
from ich_bench.geometry import Geometry  # noqa: E402
from ich_bench.volume import CT, open_mask, read_ct, write_ct  # noqa: E402
from ich_bench_baselines import checkpoint, parts, predict  # noqa: E402
from ich_bench_baselines.blocks.unet import UNet, UNetSettings  # noqa: E402
from ich_bench_baselines.data.pixels import BONE, BRAIN, TISSUE  # noqa: E402
from ich_bench_baselines.paper import origins  # noqa: E402
from ich_bench_baselines.predict import Predictor, slice_predictor, write_predictions  # noqa: E402
from ich_bench_baselines.spahr import icm  # noqa: E402
from ich_bench_baselines.spahr.cavity import inside  # noqa: E402
from ich_bench_baselines.spahr.settings import Supervised  # noqa: E402

SIDE = 32


class AboveHalf(torch.nn.Module):
    """Says ICH where the image is at least half as bright as it can be."""

    def forward(self, image: Any) -> Any:
        return (image - 127.5 / 255) * 1e4


def blocks(shape: tuple[int, int, int], flips: tuple[int, int, int] = (1, 1, 1)) -> CT:
    """Blocks of 4 × 4 voxels of 20, 80, 250, 350 or 500 HU, every slice its own, on axes that run as asked."""
    rng = np.random.default_rng(5)
    small = rng.choice([20, 80, 250, 350, 500], (shape[0] // 4, shape[1] // 4, shape[2]))
    hu = small.repeat(4, axis=0).repeat(4, axis=1).astype(np.int16)
    affine = np.diag([*(0.5 * flip for flip in flips[:2]), 5.0 * flips[2], 1.0])
    return CT(hu=hu, geometry=Geometry.of(shape, affine))


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
@pytest.mark.parametrize(("window", "middle_hu"), [(BRAIN, 50), (TISSUE, 300), (BONE, 400)])
def test_the_mask_lies_on_the_very_voxels_whose_window_says_so(window: Any, middle_hu: int, flips: Any) -> None:
    ct = blocks((SIDE, SIDE, 5), flips)
    found = slice_predictor(AboveHalf(), window, side=SIDE, batch=2)(ct)
    assert np.array_equal(found, ct.hu >= middle_hu)


def test_a_slice_that_is_no_square_and_larger_than_the_network_comes_back_at_its_own_size() -> None:
    ct = blocks((2 * SIDE, 48, 3))
    found = slice_predictor(AboveHalf(), BRAIN, side=SIDE)(ct)
    assert found.shape == (64, 48, 3)
    assert (found == (ct.hu >= 50)).mean() > 0.8  # blocks of two pixels there: their rims differ, no more


def test_a_sigmoid_of_the_threshold_itself_is_hemorrhage() -> None:
    class Half(torch.nn.Module):
        def forward(self, image: Any) -> Any:
            return torch.zeros_like(image)

    ct = blocks((SIDE, SIDE, 2))
    assert slice_predictor(Half(), BRAIN, side=SIDE, threshold=0.5)(ct).all()
    assert not slice_predictor(Half(), BRAIN, side=SIDE, threshold=0.5001)(ct).any()


def saved(path: Path, **slices: Any) -> Path:
    """A checkpoint of a network with first weights, as `segment` writes it."""
    settings = Supervised(
        unet=UNetSettings(top=2), slices=dataclasses.replace(Supervised().slices, side=SIDE, **slices)
    )
    about = {"method": "unet-mixed", "settings": [dataclasses.asdict(row) for row in origins(settings)]}
    torch.manual_seed(2)
    kept = checkpoint.Checkpoint(about=about, weights=UNet(settings.unet).state_dict(), epoch=1, optimizer={})
    checkpoint.save(path, kept)
    return path


def test_window_side_and_threshold_are_those_of_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def noted(model: Any, window: Any, device: str, **more: Any) -> Any:
        asked.update(window=window, **more)
        return lambda ct: np.zeros(ct.geometry.shape, bool)

    monkeypatch.setattr(predict, "slice_predictor", noted)
    predict.load_unet(saved(tmp_path / "last.ckpt", window_hu=(0.0, 600.0)))
    assert asked == {"window": TISSUE, "side": SIDE, "threshold": 0.5}


def test_a_foreign_checkpoint_is_refused_in_words(tmp_path: Path) -> None:
    path = saved(tmp_path / "last.ckpt")
    (tmp_path / "torn.ckpt").write_bytes(path.read_bytes()[:1000])
    torch.save({"model": {}}, tmp_path / "other.ckpt")
    kept = checkpoint.read(path)
    checkpoint.save(tmp_path / "bare.ckpt", dataclasses.replace(kept, about={"method": "x"}))
    checkpoint.save(tmp_path / "less.ckpt", dataclasses.replace(kept, weights=dict(list(kept.weights.items())[:-1])))
    for name, words in {
        "torn.ckpt": "no sound checkpoint",
        "other.ckpt": "another program",
        "bare.ckpt": "how it was trained",
        "less.ckpt": "final.bias is missing",
        "none.ckpt": "there is no checkpoint",
    }.items():
        with pytest.raises(IchBenchError, match=words):
            predict.load_unet(tmp_path / name)


class Counts:
    """A predictor that counts the heads it is asked for, and may be stopped at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.heads, self.stop_at = 0, stop_at

    def __call__(self, ct: CT) -> Any:
        if self.heads == self.stop_at:
            raise KeyboardInterrupt
        self.heads += 1
        return ct.hu > 100

    def predictor(self, key: str = "k") -> Predictor:
        return Predictor(key=key, about={}, mask=self)


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    found = []
    for n in range(3):
        ct = blocks((8, 8, 2 + n))
        path = tmp_path / "ct" / f"h{n}.nii.gz"
        write_ct(path, ct.hu, ct.geometry)
        found.append(Case(case_id=f"h{n}", patient_id=f"h{n}", ct=path, reference=None))
    return found


def test_masks_are_written_on_the_cts_grid_under_the_case_id(cases: list[Case], tmp_path: Path) -> None:
    files = write_predictions(Counts().predictor(), cases, tmp_path / "masks")
    assert [path.name for path in files] == ["h0.nii.gz", "h1.nii.gz", "h2.nii.gz"]
    for case, path in zip(cases, files, strict=True):
        assert case.ct is not None
        ct, mask = read_ct(case.ct), open_mask(path)
        assert np.array_equal(mask.voxels(), ct.hu > 100)
        assert np.allclose(mask.geometry.matrix, ct.geometry.matrix)


def test_a_case_is_predicted_again_only_where_weights_ct_or_mask_have_changed(
    cases: list[Case], tmp_path: Path
) -> None:
    out, journal = tmp_path / "masks", tmp_path / "journal.jsonl"

    def heads(key: str = "k") -> int:
        count = Counts()
        write_predictions(count.predictor(key), cases, out, journal=journal)
        return count.heads

    assert [heads(), heads()] == [3, 0]
    (out / "h1.nii.gz").unlink()
    assert [heads(), heads()] == [1, 0]
    (out / "h2.nii.gz").write_bytes(b"other")
    assert [heads(), heads()] == [1, 0]
    assert cases[0].ct is not None
    write_ct(cases[0].ct, blocks((8, 8, 7)).hu, blocks((8, 8, 7)).geometry)
    assert [heads(), heads()] == [1, 0]
    assert [heads("other weights"), heads("other weights")] == [3, 0]
    with journal.open("a") as file:
        file.write('\n{"file": "to')  # killed while it wrote
    assert heads("other weights") == 0


def test_a_stopped_prediction_goes_on_with_the_case_it_was_stopped_at(cases: list[Case], tmp_path: Path) -> None:
    out, journal = tmp_path / "masks", tmp_path / "journal.jsonl"
    with pytest.raises(KeyboardInterrupt):
        write_predictions(Counts(stop_at=1).predictor(), cases, out, journal=journal)
    assert [path.name for path in out.iterdir()] == ["h0.nii.gz"]
    rest = Counts()
    assert len(write_predictions(rest.predictor(), cases, out, journal=journal)) == 3
    assert rest.heads == 2


def test_every_case_that_cannot_be_read_is_told_and_the_others_are_written(cases: list[Case], tmp_path: Path) -> None:
    assert cases[0].ct is not None
    cases[0].ct.write_bytes(b"no CT")
    cases[2] = dataclasses.replace(cases[2], ct=None)
    with pytest.raises(InputError) as fault:
        write_predictions(Counts().predictor(), cases, tmp_path / "masks")
    assert [problem.where for problem in fault.value.problems] == ["h0", "h2"]
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["h1.nii.gz"]


def test_a_mask_off_the_grid_is_a_fault_of_the_program() -> None:
    ct = blocks((8, 8, 2))
    with pytest.raises(ValueError, match="expected bool"):
        Predictor(key="k", about={}, mask=lambda ct: np.zeros((8, 8, 3), bool))(ct)
    with pytest.raises(ValueError, match="expected bool"):
        Predictor(key="k", about={}, mask=lambda ct: np.zeros((8, 8, 2)))(ct)


def test_the_icm_takes_voxels_away_outside_the_cavity_and_adds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ct = blocks((8, 8, 3))
    plain, cavity = ct.hu > 100, ct.hu < 400
    first = Predictor(key="a", about={}, mask=lambda _: plain)
    second = Predictor(key="b", about={}, mask=lambda _: cavity)
    monkeypatch.setattr(icm, "load_unet", lambda path, device: first)
    monkeypatch.setattr(icm, "load_cavity", lambda path, device: second)
    files = {"segmentation": tmp_path / "s/last.ckpt", "cavity": tmp_path / "c/parts.json"}
    path = parts.write_parts(tmp_path / "icm", "unet-mixed-icm", files, {})
    both = icm.load_with_cavity(path)
    found = both(ct)
    assert found.any()
    assert not (found & ~cavity).any()
    assert not (found & ~plain).any()
    assert np.array_equal(found, plain & cavity)
    assert both.key == "a in b"
    with pytest.raises(ValueError, match="a cavity of"):
        inside(plain, cavity[:, :, :2])


def test_parts_are_found_again_where_out_was_moved(tmp_path: Path) -> None:
    path = parts.write_parts(tmp_path / "out/icm/f", "m", {"segmentation": tmp_path / "out/p/last.ckpt"}, {"fold": 1})
    (tmp_path / "out").rename(tmp_path / "moved")
    about, found = parts.read_parts(tmp_path / "moved" / path.relative_to(tmp_path / "out"))
    assert about == {"fold": 1, "method": "m"}
    segmentation = found["segmentation"]
    assert isinstance(segmentation, Path)
    assert segmentation.resolve() == (tmp_path / "moved/p/last.ckpt").resolve()
    (tmp_path / "moved/icm/f/parts.json").write_text("{}")
    with pytest.raises(IchBenchError, match="not what ich-bench wrote"):
        parts.read_parts(tmp_path / "moved/icm/f/parts.json")
