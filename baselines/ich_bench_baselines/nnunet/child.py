"""What does the process of nnU-Net do: fingerprint, plan, preprocessing, training, and one checkpoint of ours?

Started by `nnunet.process`, with a file of plain values. Everything heavy is imported inside functions: its workers
import this module again.
"""

from __future__ import annotations

import json
import multiprocessing.pool
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PLANS = "nnUNetPlans"
PREPARED = "prepared.json"
WORKERS = "nnUNet_n_proc_DA"
Say = Callable[[dict[str, Any]], None]


def main(spec_file: str) -> int:
    """Do what the file says and return the exit code; failures are told as a message."""
    from ich_bench_baselines.nnunet.process import PRINTED, end_with_parent, fault_of, own_pipe

    work = Path(spec_file).parent
    messages = own_pipe(work / PRINTED)
    end_with_parent()

    def say(message: dict[str, Any]) -> None:
        messages.write(json.dumps(message) + "\n")

    try:
        spec = json.loads(Path(spec_file).read_text("utf-8"))
        prepare(spec, work, say)
        train(spec, work, say)
    except Exception as fault:
        import traceback

        traceback.print_exc()
        say(fault_of(fault))
        return 1
    return 0


def prepare(spec: dict[str, Any], work: Path, say: Say) -> None:
    """Look at all cases, plan, and preprocess, unless it is done; prepared.json is written last."""
    if (work / PREPARED).is_file():
        return
    import nnunetv2
    from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor
    from nnunetv2.preprocessing.preprocessors import default_preprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from ich_bench.places import write_json

    begun = time.perf_counter()
    if spec["processes"] == 1:
        _in_this_process(fingerprint_extractor, default_preprocessor)
    say({"stage": "looks at the training heads"})
    with _workers(1):  # nnU-Net plans with as many threads of torch as it has workers
        extractor = fingerprint_extractor.DatasetFingerprintExtractor(spec["name"], spec["processes"])
        extractor.show_progress_bar = False
        extractor.run(overwrite_existing=True)
        say({"stage": "plans the network"})
        settings = spec["settings"]
        planner = _planner(settings)(
            spec["name"],
            gpu_memory_target_in_gb=settings["memory_gb"],
            plans_name=PLANS,
            overwrite_target_spacing=settings["spacing_mm"],
        )
        planner.plan_experiment()
    plans = PlansManager(str(work / "preprocessed" / spec["name"] / f"{PLANS}.json"))
    if settings["configuration"] not in plans.available_configurations:
        from ich_bench.errors import IchBenchError

        raise IchBenchError(f"nnU-Net plans no {settings['configuration']} for these heads: they have one slice each.")
    say({"stage": "preprocesses the training heads"})
    preprocessor = plans.get_configuration(settings["configuration"]).preprocessor_class(verbose=False)
    preprocessor.show_progress_bar = False
    preprocessor.run(spec["name"], settings["configuration"], PLANS, num_processes=spec["processes"])
    seconds = time.perf_counter() - begun
    write_json(work / PREPARED, {"seconds": round(seconds, 2), "nnunetv2": _version(nnunetv2)})


def train(spec: dict[str, Any], work: Path, say: Say) -> None:
    """Train from the last epoch that was kept, and write the checkpoint of the last one."""
    import torch

    from ich_bench_baselines import checkpoint
    from ich_bench_baselines.nnunet.trainer import Trainer, begin

    torch.set_num_threads(spec["threads"])
    home = work / "preprocessed" / spec["name"]
    plans = json.loads((home / f"{PLANS}.json").read_text("utf-8"))
    described = json.loads((home / "dataset.json").read_text("utf-8"))
    prepared = json.loads((work / PREPARED).read_text("utf-8"))
    trainer: Trainer = begin(spec, plans, described, prepared, say)
    trainer.run_training()
    configuration = spec["settings"]["configuration"]
    about = {
        **spec["about"],
        "nnunet": {
            "version": prepared["nnunetv2"],
            "configuration": configuration,
            "plans": plans,
            "dataset": described,
            "mirror_axes": list(trainer.inference_allowed_mirroring_axes or ()),
        },
    }
    weights = {name: one.detach().cpu() for name, one in _plain(trainer.network).state_dict().items()}
    kept = checkpoint.Checkpoint(about=about, weights=weights, epoch=trainer.num_epochs, optimizer={})
    checkpoint.save(Path(spec["last"]), kept)


def _plain(network: Any) -> Any:
    """Return the network within what torch.compile made of it."""
    return getattr(network, "_orig_mod", network)


def _planner(settings: dict[str, Any]) -> Any:
    """Return nnU-Net's planner; where a patch, batch or width is asked for, the network is planned around it."""
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
    from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props

    patch, batch = settings["patch"], settings["batch_size"]

    class Planner(ExperimentPlanner):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.UNet_base_num_features = settings["width"]
            if patch is not None:
                self.lowres_creation_threshold = 0.0  # else it seeks a coarser grid that such a patch would fit

        def get_plans_for_configuration(self, spacing: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
            plan: dict[str, Any] = super().get_plans_for_configuration(spacing, *args, **kwargs)
            if batch is not None:
                plan["batch_size"] = batch
            if patch is None or len(patch) != len(spacing):
                return plan
            least = self.UNet_featuremap_min_edge_length
            _, strides, kernels, size, _ = get_pool_and_conv_props(spacing, patch, least, 999999)
            stages, most = len(strides), self.UNet_max_features_2d if len(patch) == 2 else self.UNet_max_features_3d
            plan["patch_size"] = size
            plan["architecture"]["arch_kwargs"].update(
                n_stages=stages,
                kernel_sizes=kernels,
                strides=strides,
                features_per_stage=tuple(min(most, self.UNet_base_num_features * 2**k) for k in range(stages)),
                n_conv_per_stage=self.UNet_blocks_per_stage_encoder[:stages],
                n_conv_per_stage_decoder=self.UNet_blocks_per_stage_decoder[: stages - 1],
            )
            return plan

    return Planner


@contextmanager
def _workers(count: int) -> Iterator[None]:
    """Tell nnU-Net of so many workers for a while."""
    before = os.environ[WORKERS]
    os.environ[WORKERS] = str(count)
    try:
        yield
    finally:
        os.environ[WORKERS] = before


def _in_this_process(*modules: Any) -> None:
    """Let nnU-Net's pools of one process be a thread here: starting a process costs more than a few heads do."""
    alike = SimpleNamespace(get_context=lambda way: SimpleNamespace(Pool=multiprocessing.pool.ThreadPool))
    for module in modules:
        module.multiprocessing = alike


def _version(package: Any) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package.__name__)
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
