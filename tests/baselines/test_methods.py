"""Each method's file says what it is without torch, and its settings say where every value comes from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ich_bench.errors import UsageError
from ich_bench.submissions.terms import LABELS, SUPERVISION
from ich_bench_baselines.methods import METHODS, known, method, reported

SPAHR = ("unet-ich-only", "unet-ich-only-icm", "unet-mixed", "unet-mixed-icm", "intracranial-cavity")


def settings(method_id: str, **more: Any) -> Any:
    from ich_bench_baselines.job import Job

    job = Job(**{"method": method_id, "dataset": "hssayeni", "out": Path("out"), "pool": "phantom-pool:9", **more})
    return method(method_id).settings(job)


def test_a_method_is_a_file_and_its_id_the_files_name() -> None:
    assert set(SPAHR) <= set(METHODS)
    for name, about in METHODS.items():
        assert about.id == name
        assert about.paper
        assert about.departures
        assert about.supervision in SUPERVISION
        assert set(about.labels) <= set(LABELS)


def test_the_table_of_methods_needs_no_torch() -> None:
    probe = "import sys; from ich_bench_baselines.methods import METHODS; assert METHODS; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_an_unknown_method_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean unet-mixed"):
        known("unet-mixd")


def test_the_papers_numbers_stand_beside_the_methods() -> None:
    rows = {(row.dataset, row.cohort): row.metrics["dice"].text for row in reported("unet-mixed")}
    assert rows["hssayeni", "ich"] == "42.17 ± 29.60"  # Spahr 2023, Table 3
    assert reported("intracranial-cavity") == ()


@pytest.mark.parametrize("method_id", METHODS)
def test_every_value_of_every_method_has_an_origin(method_id: str) -> None:
    pytest.importorskip("torch")
    from ich_bench_baselines.paper import origins

    rows = origins(method(method_id).Settings())
    assert all(row.source for row in rows)
    assert len({row.name for row in rows}) == len(rows)


def test_the_networks_have_the_parameters_that_the_table_says() -> None:
    pytest.importorskip("torch")
    from ich_bench_baselines.blocks.unet import UNet, UNetSettings, parameter_count
    from ich_bench_baselines.planned import networks

    whole = parameter_count(UNet(UNetSettings()))
    for name in SPAHR:
        nets = [one.unet for _, one in networks(method(name).Settings())]
        assert set(nets) == {UNetSettings()}
        assert len(nets) * whole == known(name).parameters


def test_spahr_trains_as_long_as_the_paper_says_on_each_dataset() -> None:
    pytest.importorskip("torch")
    from ich_bench_baselines.paper import origins

    def training(**more: Any) -> tuple[Any, ...]:
        rows = {row.name: row for row in origins(settings("unet-mixed", **more))}
        epochs, batch = rows["training.epochs"], rows["training.batch_size"]
        return epochs.value, batch.value, epochs.origin

    assert training() == (100, 16, "paper")  # Sec. 2.5.3
    assert training(dataset="seg-cq500") == (40, 32, "paper")
    assert training(dataset="instance2022") == (100, 16, "ours")
    assert training(dataset="instance2022", train_on="seg-cq500") == (40, 32, "paper")
    assert training(epochs=7, batch=3) == (7, 3, "given")
    assert training(schedule="smoke") == (2, 8, "ours")


def test_the_rows_differ_in_slices_and_weight_as_in_the_paper() -> None:
    pytest.importorskip("torch")
    mixed, alone = settings("unet-mixed"), settings("unet-ich-only")
    assert (mixed.slices.regime, mixed.slices.normals_per_ich, mixed.empty_weight) == ("mixed", 2.0, 0.2)
    assert alone.slices.regime == "ich-only"
    assert mixed.slices.window_hu == (-50.0, 150.0)
    assert settings("unet-mixed-icm").segmentation == mixed
    assert settings("unet-ich-only-icm").segmentation == alone


def test_the_cavity_has_two_nets_with_the_papers_windows_epochs_and_batches() -> None:
    pytest.importorskip("torch")
    nets = settings("intracranial-cavity")
    assert [
        (net.slices.window_hu, net.training.epochs, net.training.batch_size, net.empty_weight, net.slices.regime)
        for net in (nets.tissue, nets.bone)
    ] == [((0.0, 600.0), 50, 20, 1.0, "all"), ((150.0, 650.0), 50, 16, 1.0, "all")]  # Sec. 2.3.3


def test_the_codes_values_are_taken_where_they_differ() -> None:
    pytest.importorskip("torch")
    code = settings("unet-mixed", variant="code")
    assert (code.unet.middle_factor, code.unet.dropout, code.augmentation.rotate_deg) == (1, 0.5, 10.0)
    nets = settings("intracranial-cavity", variant="code")
    assert (nets.tissue.training.epochs, nets.bone.training.batch_size) == (100, 32)


def test_smoke_makes_slices_small_and_few_and_leaves_the_network_whole() -> None:
    pytest.importorskip("torch")
    small = settings("unet-mixed", schedule="smoke")
    assert (small.slices.side, small.slices.most, small.unet.top) == (64, 24, 32)
    assert settings("unet-mixed", schedule="smoke", width=8).unet.top == 8
    assert settings("intracranial-cavity", schedule="smoke").bone.unet.top == 32
