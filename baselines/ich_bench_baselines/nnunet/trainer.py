"""What does our trainer of nnU-Net do otherwise than nnU-Net's own: seeds, whole checkpoints, our log, no choosing?"""

from __future__ import annotations

import csv
import math
import os
import random
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from ich_bench.errors import IchBenchError
from ich_bench_baselines.train import LOG

COLUMNS = ("epoch", "steps", "patches", "loss", "validation_loss", "pseudo_dice", "learning_rate", "seconds")
LATEST, FINAL, BEST = "checkpoint_latest.pth", "checkpoint_final.pth", "checkpoint_best.pth"


class Trainer(nnUNetTrainer):
    """nnU-Net's own training; each epoch starts from (seed, epoch), and its last state is kept whole.

    Set after it is made, for nnU-Net keeps its arguments: `seed`, `log` (log.csv's place), `prepared_seconds`, `say`.
    """

    seed: int = 0
    log: Path = Path(LOG)
    prepared_seconds: float = 0.0
    say: Callable[[dict[str, Any]], None] = staticmethod(lambda message: None)

    def on_epoch_start(self) -> None:
        """Begin an epoch from its own numbers, so that it does not depend on how the training came here."""
        seed_all(self.seed, self.current_epoch)
        super().on_epoch_start()

    def on_epoch_end(self) -> None:
        """Refuse a loss that is no number before anything is kept, then write the log and say how far it is."""
        loss = float(self.logger.get_value("train_losses", step=-1))
        if not math.isfinite(loss):
            raise IchBenchError(
                f"the loss became {loss} in epoch {self.current_epoch + 1}. The epoch before is kept in "
                f"{self.output_folder}. --seed gives another start."
            )
        super().on_epoch_end()
        self.write_log()
        self.say({"epoch": self.current_epoch, "of": self.num_epochs})

    def save_checkpoint(self, filename: str) -> None:
        """Write beside its place, then rename; nothing is chosen, so the best epoch is not kept."""
        path = Path(filename)
        if path.name == BEST:
            return
        part = path.with_name(f".{path.name}.part")
        super().save_checkpoint(str(part))
        if part.is_file():
            part.replace(path)

    def plot_network_architecture(self) -> None:
        """Draw nothing."""

    def _save_debug_information(self) -> None:
        """Write nothing of this machine."""

    def write_log(self) -> None:
        """Write log.csv anew from nnU-Net's own logger; epoch 0 is fingerprint, plan and preprocessing."""
        names = ("train_losses", "val_losses", "mean_fg_dice", "lrs", "epoch_start_timestamps", "epoch_end_timestamps")
        held = [self.logger.get_value(name, step=None) for name in names]
        steps = self.num_iterations_per_epoch
        lines: list[tuple[Any, ...]] = [(0, 0, 0, "", "", "", "", f"{self.prepared_seconds:.2f}")]
        for epoch, values in enumerate(zip(*held, strict=False), start=1):
            loss, validation, dice, rate, begun, ended = (float(one) for one in values)
            told = (f"{one:.6g}" for one in (loss, validation, dice, rate))
            lines.append((epoch, steps, steps * self.batch_size, *told, f"{ended - begun:.2f}"))
        part = self.log.with_name(f".{self.log.name}.{os.getpid()}.part")
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
        part.replace(self.log)


def begin(spec: dict[str, Any], plans: dict[str, Any], described: dict[str, Any], prepared: dict[str, Any],
          say: Callable[[dict[str, Any]], None]) -> Trainer:  # fmt: skip
    """Return the trainer as the settings want it, at the last epoch that was kept."""
    settings = spec["settings"]
    device = torch.device(spec["device"].partition(":")[0])
    own = {**deepcopy(plans), "continue_training": False}
    trainer = Trainer(own, settings["configuration"], 0, deepcopy(described), device)
    trainer.num_epochs = settings["epochs"]
    trainer.num_iterations_per_epoch = settings["steps_per_epoch"]
    trainer.num_val_iterations_per_epoch = settings["validation_steps"]
    trainer.initial_lr, trainer.weight_decay = settings["lr"], settings["weight_decay"]
    trainer.save_every = 1
    trainer.seed, trainer.log = spec["seed"], Path(spec["last"]).with_name(LOG)
    trainer.prepared_seconds, trainer.say = prepared["seconds"], say
    seed_all(trainer.seed)
    trainer.initialize()
    for name in (FINAL, LATEST):
        kept = Path(trainer.output_folder) / name
        if kept.is_file():
            trainer.load_checkpoint(str(kept))
            break
    return trainer


def seed_all(*numbers: int) -> None:
    """Start all generators that nnU-Net draws from at these numbers."""
    state = int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint32)[0])
    random.seed(state)
    np.random.seed(state)  # noqa: NPY002 nnU-Net draws from the global one
    torch.manual_seed(state)
