"""How is nnU-Net trained on one fold, and how does its checkpoint become masks on the CTs' own grids?

All that nnU-Net writes lies in the training's folder, below `nnunet/`, and what only a training needs is taken away
when it is done. What stays is `last.ckpt`, like every other method's: weights, nnU-Net's plans, and where it all comes
from.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.places import write_json
from ich_bench.volume import CT
from ich_bench_baselines import checkpoint, distributed
from ich_bench_baselines.alone import alone
from ich_bench_baselines.data.pixels import Mask
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job, budget_of, folder, trained
from ich_bench_baselines.nnunet import process as nnunet_process
from ich_bench_baselines.nnunet.data import Raw, training_part, write_raw
from ich_bench_baselines.nnunet.settings import NnUNet
from ich_bench_baselines.paper import origins
from ich_bench_baselines.predict import Predictor, settings_in
from ich_bench_baselines.segment import ABOUT, TRAINED_AS
from ich_bench_baselines.train import LAST

WORK, JOB, GIVEN = "nnunet", "job.json", "given.json"
_THREADS = "nnUNet_def_n_proc"
_NETWORKS = "dynamic_network_architectures."
_ONLY_FOR_TRAINING = ("raw", "preprocessed", "scratch", "results", JOB, "spec.json", "prepared.json")
Second = Callable[[CT], Mask]


def train_nnunet(
    job: Job,
    settings: NnUNet,
    *,
    second: Mapping[str, Path] | None = None,
    second_is: str = "",
    to: Path | None = None,
) -> Path:
    """Train nnU-Net on the training cases of a fold and return its checkpoint, that of the last epoch.

    Beside it lie log.csv, about.json and `nnunet/`, with nnU-Net's plans, printed text and picture of its progress.
    Done, it is returned as it is; interrupted, it goes on after its last whole epoch.

    Args:
        job: Which fold of which data.
        settings: From `nnunet_settings`.
        second: By case id a mask on the CT's grid that becomes the second channel.
        second_is: What these masks are and where from, so that a training with others is refused.
        to: Where it goes; `job.folder(job)` by default.

    Raises:
        UsageError: for several GPUs.
        IchBenchError: nnunetv2 or data are not here, memory or disk are full, another training lies there.
    """
    need_nnunet()
    if distributed.is_group():
        raise UsageError("nnU-Net is trained on one GPU here: start it without torchrun.")
    out = (to or folder(job)).absolute()
    with alone(out, job.tell):
        try:
            return _trained(job, settings, second, second_is, out)
        except OSError as fault:
            why = fault.strerror or fault
            raise IchBenchError(f"cannot write below {out}: {why}. Free space there, or name another --out.") from fault


def _trained(job: Job, settings: NnUNet, second: Mapping[str, Path] | None, second_is: str, out: Path) -> Path:
    wanted = _about(job, settings, second_is)
    last, work = out / LAST, out / WORK
    if last.is_file():
        held = dict(checkpoint.read(last).about)
        held.pop("nnunet", None)
        checkpoint.check_same(last, held, wanted)
        return last
    given = _given(job, out, wanted, second)
    workers = _workers(job)
    spec = {
        "name": given.name,
        "settings": dataclasses.asdict(settings),
        "about": wanted,
        "last": str(last),
        "seed": job.seed,
        "device": job.device,
        "threads": torch.get_num_threads(),
        "processes": max(1, min(_cores(job), len(given.cases) // 8)),
    }
    env = nnunet_process.environment(work, device=job.device, workers=workers, compiled=job.compiled)

    def told(message: Mapping[str, Any]) -> None:
        if "epoch" in message:
            job.progress(int(message["epoch"]), int(message["of"]))
        elif job.tell is not None:
            job.tell(f"nnU-Net {message.get('stage')}")

    nnunet_process.run(spec, work, env, told)
    _tidy(work)
    return last


def load_nnunet(path: Path, device: str = "cpu", second: Second | None = None) -> Predictor:
    """Return CT → mask of a checkpoint, through nnU-Net's own predictor, in this process.

    `second` makes the second channel of a CT, where it was trained with one. IchBenchError where the checkpoint is none
    of nnU-Net, or nnunetv2 is not installed.
    """
    need_nnunet()
    kept = checkpoint.read(path)
    values = settings_in(kept.about, path)
    try:
        held = kept.about["nnunet"]
        channels = len(held["dataset"]["channel_names"])
        arguments = {"tile_step_size": float(values["tile_step"]), "use_mirroring": bool(values["mirroring"])}
    except (KeyError, TypeError, ValueError) as fault:
        raise IchBenchError(f"{path} is no checkpoint of nnU-Net: {fault} is missing or odd.") from fault
    if channels != 1 + (second is not None):
        raise IchBenchError(f"{path} takes {channels} channels: it cannot be used {'without' * (channels > 1)} alone.")
    with _own_environment(), redirect_stdout(io.StringIO()):
        predictor = _predictor(held, kept.weights, arguments, device, path)

    def probability(ct: CT) -> npt.NDArray[np.float32]:
        layers = [ct.hu] if second is None else [ct.hu, second(ct)]
        image = np.stack([layer.astype(np.float32).transpose(2, 1, 0) for layer in layers])
        if not image[0].any():  # nnU-Net cuts what is 0 away, and nothing would be left
            return np.zeros(ct.geometry.shape, np.float32)
        spacing = [float(one) for one in ct.geometry.spacing_mm[::-1]]
        with _own_environment(), redirect_stdout(io.StringIO()):
            _, found = predictor.predict_single_npy_array(
                image, {"spacing": spacing}, save_or_return_probabilities=True
            )
        return np.ascontiguousarray(found[1].transpose(2, 1, 0), dtype=np.float32)

    def mask(ct: CT) -> Mask:
        return probability(ct) > 0.5  # of two classes, the larger one

    key = checkpoint.weights_sha256(kept.weights)
    return Predictor(key=key, about=kept.about, mask=mask, probability=probability)


def need_nnunet() -> None:
    """Raise IchBenchError in words where nnunetv2 is not installed."""
    if importlib.util.find_spec("nnunetv2") is None:
        raise IchBenchError("nnunetv2 is not installed: pip install 'ich-bench[nnunet]'")


def _predictor(
    held: Mapping[str, Any], weights: Mapping[str, Any], arguments: Mapping[str, Any], device: str, path: Path
) -> Any:
    """Return nnU-Net's predictor with these weights; the network's class is one of its own, or it is refused."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    where = torch.device(device)
    predictor = nnUNetPredictor(device=where, perform_everything_on_device=where.type == "cuda", allow_tqdm=False,
                                **arguments)  # fmt: skip
    plans = PlansManager(json.loads(json.dumps(held["plans"])))
    chosen = plans.get_configuration(held["configuration"])
    if not str(chosen.network_arch_class_name).startswith(_NETWORKS):
        raise IchBenchError(f"{path} names a network that is none of nnU-Net's: it is not loaded.")
    network = get_network_from_plans(
        chosen.network_arch_class_name,
        chosen.network_arch_init_kwargs,
        chosen.network_arch_init_kwargs_req_import,
        len(held["dataset"]["channel_names"]),
        plans.get_label_manager(held["dataset"]).num_segmentation_heads,
        allow_init=True,
        deep_supervision=False,
    )
    checkpoint.load_weights(network, weights, source=path)
    predictor.manual_initialization(
        network.to(where),
        plans,
        chosen,
        [dict(weights)],
        dict(held["dataset"]),
        "nnUNetTrainer",
        tuple(held["mirror_axes"]) or None,
    )
    return predictor


@contextmanager
def _own_environment() -> Iterator[None]:
    """Hide the user's settings of nnU-Net for a while: a prediction depends on the checkpoint alone.

    Afterwards the environment is as it was: nnU-Net's libraries set variables of their own when they are imported, and
    its predictor lets cuDNN choose its kernels by trial, for the whole process.
    """
    before, by_trial = dict(os.environ), torch.backends.cudnn.benchmark
    for name in before:
        if name.lower().startswith("nnunet"):
            del os.environ[name]
    os.environ[_THREADS] = str(torch.get_num_threads())  # read once, when nnU-Net is imported
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
        torch.backends.cudnn.benchmark = by_trial


def _about(job: Job, settings: NnUNet, second_is: str) -> dict[str, Any]:
    """Return the plain values that say what is trained; the checkpoint carries them."""
    scheme, fold = trained(job)
    about = {
        **{name: getattr(job, name) for name in TRAINED_AS},
        "dataset": scheme.dataset,
        "scheme": scheme.name,
        "scheme_sha256": scheme.sha256,
        "fold": None if job.elsewhere else fold,
        "budget": job.budget,
        "settings": [dataclasses.asdict(row) for row in origins(settings)],
        "second_channel": second_is or None,
    }
    read_back: dict[str, Any] = json.loads(json.dumps(about))
    return read_back


def _given(job: Job, out: Path, wanted: Mapping[str, Any], second: Mapping[str, Path] | None) -> Raw:
    """Return what nnU-Net is given, written now unless a training that was begun already has it."""
    work = out / WORK
    if (work / JOB).is_file() and (work / GIVEN).is_file():
        begun = json.loads((work / JOB).read_text("utf-8"))
        checkpoint.check_same(work / JOB, begun, wanted)
        told = json.loads((work / GIVEN).read_text("utf-8"))
        return Raw(**{**told, "cases": tuple(told["cases"])})
    shutil.rmtree(work, ignore_errors=True)
    dataset, guard = training_part(job)
    given = write_raw(dataset, guard, work / "raw", second)
    budget, _ = budget_of(job)
    scheme, fold = trained(job)
    write_json(
        out / ABOUT,
        {
            "method": job.method,
            "dataset": dataset.id,
            "about": f"fold {fold} of {scheme.dataset}/{scheme.name}: {len(given.cases)} cases, {budget} % of patients",
            "annotated_slices": given.slices_with_ich,
            "annotated_patients": given.patients,
            "label_kind": "masks",
            "machine": hardware(job.device),
            "precision": "mixed (float16)" if job.device.startswith("cuda") else "fp32",
            "compiled": job.compiled,
            "pretext": None,
        },
    )
    write_json(work / JOB, dict(wanted))
    write_json(work / GIVEN, dataclasses.asdict(given))
    return given


def _cores(job: Job) -> int:
    return job.jobs or os.cpu_count() or 1


def _workers(job: Job) -> int:
    """Return how many processes augment: on a CPU none, where they would only take turns with the network."""
    return min(12, _cores(job)) if job.device.startswith("cuda") else 0


def _tidy(work: Path) -> None:
    """Keep plans, fingerprint, folds and picture of a training that is done, and take the rest away."""
    kept = ("results/*/*/*.json", "results/*/*/fold_0/progress.png", "preprocessed/*/splits_final.json")
    for path in (path for pattern in kept for path in work.glob(pattern)):
        shutil.copyfile(path, work / path.name)
    for name in _ONLY_FOR_TRAINING:
        path = work / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
