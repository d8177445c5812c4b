"""The losses against numbers worked out by hand, slow loops, and their own direction."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from ich_bench_baselines.blocks.losses import (  # noqa: E402
    class_balance,
    cross_entropy,
    dice_loss,
    info_nce,
    local_info_nce,
    multilabel_dice,
    restoration,
    weighted_bce,
)

NEVER = -200.0  # a logit whose sigmoid is 0 in float32
ALWAYS = 200.0


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def some_mask(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.3


def slow_dice(logits: torch.Tensor, target: torch.Tensor, empty_weight: float) -> float:
    total = 0.0
    for one, mask in zip(logits.flatten(1).tolist(), target.flatten(1).tolist(), strict=True):
        overlap = guesses = truths = 0.0
        for logit, truth in zip(one, mask, strict=True):
            guess = 1.0 / (1.0 + math.exp(-logit))
            overlap += guess * truth
            guesses += guess**2
            truths += float(truth) ** 2
        loss = 1.0 - (2.0 * overlap + 1.0) / (guesses + truths + 1.0)
        total += loss if truths > 0 else empty_weight * loss
    return total / len(logits)


def slow_info_nce(views: list[list[float]], temperature: float) -> float:
    """Of 2n vectors, of which i and i + n are twins."""

    def likeness(one: list[float], other: list[float]) -> float:
        product = sum(a * b for a, b in zip(one, other, strict=True))
        return product / math.sqrt(sum(a * a for a in one)) / math.sqrt(sum(b * b for b in other))

    count = len(views)
    total = 0.0
    for i in range(count):
        twin = (i + count // 2) % count
        below = sum(math.exp(likeness(views[i], views[k]) / temperature) for k in range(count) if k != i)
        total += -math.log(math.exp(likeness(views[i], views[twin]) / temperature) / below)
    return total / count


def test_dice_loss_by_hand() -> None:
    # p = 1, 1, 0, 0 and ½; t = 1, 0, 1, 0 and 1: Σpt = 1 + ½, Σp² = 2 + ¼, Σt² = 3, so 1 − (3 + 1)/(5.25 + 1)
    logits = torch.tensor([[ALWAYS, ALWAYS, NEVER, NEVER, 0.0]])
    target = torch.tensor([[1, 0, 1, 0, 1]])
    assert dice_loss(logits, target).item() == pytest.approx(1 - 4 / 6.25, abs=1e-6)


def test_a_slice_without_ich_counts_alpha_times() -> None:
    # empty target, two pixels called ICH: 1 − 1/(2 + 1) = 2/3; with a perfect slice beside it: (0 + α·2/3)/2
    logits = torch.tensor([[ALWAYS, ALWAYS, NEVER], [ALWAYS, NEVER, NEVER]])
    target = torch.tensor([[False, False, False], [True, False, False]])
    assert dice_loss(logits, target).item() == pytest.approx(1 / 3, abs=1e-6)
    assert dice_loss(logits, target, empty_weight=0.2).item() == pytest.approx(0.2 / 3, abs=1e-6)
    assert dice_loss(logits[1:], target[1:], empty_weight=0.2).item() == pytest.approx(0.0, abs=1e-6)


def test_an_empty_slice_called_empty_has_no_loss() -> None:
    assert dice_loss(torch.full((2, 1, 4, 4), NEVER), torch.zeros(2, 1, 4, 4)).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("empty_weight", [1.0, 0.2])
def test_dice_loss_equals_the_slow_one(empty_weight: float) -> None:
    logits, target = drawn(4, 1, 6, 5), some_mask(4, 1, 6, 5)
    target[1] = False
    found = dice_loss(logits, target, empty_weight=empty_weight).item()
    assert found == pytest.approx(slow_dice(logits, target, empty_weight), abs=1e-6)


def test_multilabel_dice_by_hand() -> None:
    # 7 labels, p = ½ each, two of them true: Σpt = 1, Σp² = 7/4, Σt² = 2, so 1 − 3/4.75
    target = torch.tensor([[0, 1, 0, 0, 1, 0, 0]])
    assert multilabel_dice(torch.zeros(1, 7), target).item() == pytest.approx(1 - 3 / 4.75, abs=1e-6)
    logits = drawn(5, 7)
    labels = some_mask(5, 7)
    assert multilabel_dice(logits, labels).item() == pytest.approx(slow_dice(logits, labels, 1.0), abs=1e-6)


def test_weighted_bce_by_hand() -> None:
    # logit 0: −log ½ = log 2 each; the positive of weight 3 counts three times: (3 + 1 + 1 + 1)·log 2 / 4
    target = torch.tensor([[1, 0], [0, 1]])
    found = weighted_bce(torch.zeros(2, 2), target, torch.tensor([3.0, 1.0]))
    assert found.item() == pytest.approx(6 * math.log(2) / 4, abs=1e-6)


def test_weighted_bce_equals_the_slow_one() -> None:
    logits, target, weight = drawn(5, 3), some_mask(5, 3), torch.tensor([0.5, 2.0, 7.0])
    total = 0.0
    for i in range(5):
        for j in range(3):
            guess = 1.0 / (1.0 + math.exp(-logits[i, j].item()))
            total -= weight[j].item() * math.log(guess) if target[i, j] else math.log(1.0 - guess)
    assert weighted_bce(logits, target, weight).item() == pytest.approx(total / 15, abs=1e-6)


def test_class_balance_counts_negatives_per_positive() -> None:
    # of 4 slices: 1 positive → 3; 4 → 0; 2 → 1; none → 1, having nothing to weigh
    labels = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]])
    assert class_balance(labels).tolist() == [3.0, 0.0, 1.0, 1.0]


def test_cross_entropy_by_hand() -> None:
    # softmax of (log 3, 0) = (¾, ¼): −log ¾ for class 0, −log ¼ for class 1; weights 1 and 3 → weighted mean over 4
    logits = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])
    target = torch.tensor([0, 1])
    plain = -(math.log(0.75) + math.log(0.25)) / 2
    weighted = -(math.log(0.75) + 3 * math.log(0.25)) / 4
    assert cross_entropy(logits, target).item() == pytest.approx(plain, abs=1e-6)
    assert cross_entropy(logits, target, torch.tensor([1.0, 3.0])).item() == pytest.approx(weighted, abs=1e-6)


def test_cross_entropy_equals_the_slow_one() -> None:
    logits, target, weight = drawn(6, 4), torch.tensor([0, 3, 1, 2, 2, 0]), torch.tensor([1.0, 0.5, 2.0, 4.0])
    total = share = 0.0
    for row, truth in zip(logits.tolist(), target.tolist(), strict=True):
        total -= weight[truth].item() * math.log(math.exp(row[truth]) / sum(math.exp(one) for one in row))
        share += weight[truth].item()
    assert cross_entropy(logits, target, weight).item() == pytest.approx(total / share, abs=1e-6)


def test_softmax_is_applied_once() -> None:
    # twice would keep even a certain, right answer at −log(e/(e + 1)) = 0.313
    assert cross_entropy(torch.tensor([[50.0, 0.0]]), torch.tensor([0])).item() < 1e-6


def test_restoration_by_hand_counts_every_pixel() -> None:
    # errors 0, 0.5, 1, 0 → (0.25 + 1)/4
    found = restoration(torch.tensor([[[[0.0, 0.5], [1.0, 1.0]]]]), torch.tensor([[[[0.0, 0.0], [0.0, 1.0]]]]))
    assert found.item() == pytest.approx(1.25 / 4)


def test_info_nce_by_hand() -> None:
    # z = (1,0), (0,1) and their twins (2,0), (0,3): the twin at similarity 1, the two others at 0; τ = ½
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    by_hand = -math.log(math.exp(2) / (math.exp(2) + 2))
    assert info_nce(first, second, temperature=0.5).item() == pytest.approx(by_hand, abs=1e-6)
    # twins that are opposite: the twin at −1, the others at 0
    worst = -math.log(math.exp(-2) / (math.exp(-2) + 2))
    assert info_nce(first, -second, temperature=0.5).item() == pytest.approx(worst, abs=1e-6)


def test_info_nce_of_one_pair_alone_is_nothing() -> None:
    assert info_nce(drawn(1, 4), drawn(1, 4, seed=1), temperature=0.1).item() == 0.0  # 2n − 1 = 1: only the twin


def test_info_nce_equals_the_slow_one() -> None:
    first, second = drawn(5, 8), drawn(5, 8, seed=1)
    by_loops = slow_info_nce(torch.cat([first, second]).tolist(), 0.3)
    assert info_nce(first, second, temperature=0.3).item() == pytest.approx(by_loops, abs=1e-5)


def test_the_order_of_the_pairs_matters_only_where_twins_part() -> None:
    first, second = drawn(5, 8), drawn(5, 8, seed=1)
    order = torch.tensor([3, 1, 4, 0, 2])
    found = info_nce(first, second, temperature=0.1)
    assert torch.allclose(found, info_nce(first[order], second[order], temperature=0.1), atol=1e-5)
    assert not torch.allclose(found, info_nce(first, second[order], temperature=0.1), atol=1e-2)


def test_local_info_nce_is_the_mean_of_the_image_pairs_each_by_itself() -> None:
    first, second = drawn(3, 4, 6), drawn(3, 4, 6, seed=1)
    by_loops = [slow_info_nce(torch.cat([first[n], second[n]]).tolist(), 0.2) for n in range(3)]
    assert local_info_nce(first, second, temperature=0.2).item() == pytest.approx(sum(by_loops) / 3, abs=1e-5)


def test_regions_of_other_images_are_no_negatives() -> None:
    first, second = drawn(2, 4, 6), drawn(2, 4, 6, seed=1)
    first.requires_grad_()
    per_image = local_info_nce(first[:1], second[:1], temperature=0.1)
    with_other = 2 * local_info_nce(first, second, temperature=0.1) - local_info_nce(
        first[1:], second[1:], temperature=0.1
    )
    assert torch.allclose(per_image, with_other, atol=1e-5)


BETTER: list[tuple[str, Callable[[torch.Tensor], torch.Tensor], torch.Tensor, torch.Tensor]] = [
    (
        "dice_loss",
        lambda guess: dice_loss(guess, some_mask(3, 1, 4, 4)),
        torch.zeros(3, 1, 4, 4),
        some_mask(3, 1, 4, 4).float() * 2 - 1,
    ),
    (
        "dice_loss of empty slices",
        lambda guess: dice_loss(guess, torch.zeros(3, 1, 4, 4), empty_weight=0.2),
        torch.zeros(3, 1, 4, 4),
        -torch.ones(3, 1, 4, 4),
    ),
    (
        "multilabel_dice",
        lambda guess: multilabel_dice(guess, some_mask(3, 7)),
        torch.zeros(3, 7),
        some_mask(3, 7).float() * 2 - 1,
    ),
    (
        "weighted_bce",
        lambda guess: weighted_bce(guess, some_mask(3, 7), torch.full((7,), 2.0)),
        torch.zeros(3, 7),
        some_mask(3, 7).float() * 2 - 1,
    ),
    (
        "cross_entropy",
        lambda guess: cross_entropy(guess, torch.tensor([0, 1]), torch.tensor([0.3, 0.7])),
        torch.zeros(2, 2),
        torch.eye(2),
    ),
    ("restoration", lambda guess: restoration(guess, drawn(2, 1, 4, 4)), torch.zeros(2, 1, 4, 4), drawn(2, 1, 4, 4)),
    ("info_nce", lambda guess: info_nce(drawn(4, 8), guess, temperature=0.1), drawn(4, 8, seed=1), drawn(4, 8)),
    (
        "local_info_nce",
        lambda guess: local_info_nce(drawn(2, 4, 8), guess, temperature=0.1),
        drawn(2, 4, 8, seed=1),
        drawn(2, 4, 8),
    ),
]


@pytest.mark.parametrize(("name", "loss", "guess", "towards"), BETTER, ids=[one[0] for one in BETTER])
def test_every_loss_falls_as_the_prediction_improves_and_its_gradient_leads_there(
    name: str, loss: Callable[[torch.Tensor], torch.Tensor], guess: torch.Tensor, towards: torch.Tensor
) -> None:
    steps = [loss(guess + share * (towards - guess)).item() for share in (0.0, 0.5, 1.0)]
    assert steps[0] > steps[1] > steps[2]
    here = guess.clone().requires_grad_()
    before = loss(here)
    before.backward()
    assert here.grad is not None
    assert here.grad.isfinite().all()
    assert loss(guess - 0.01 * here.grad) < before


def test_gradients_are_finite_for_empty_targets_extreme_logits_and_zero_vectors() -> None:
    for value in (0.0, NEVER, ALWAYS):
        logits = torch.full((2, 1, 4, 4), value, requires_grad=True)
        dice_loss(logits, torch.zeros(2, 1, 4, 4), empty_weight=0.2).backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
    still = torch.zeros(3, 4, requires_grad=True)
    info_nce(still, drawn(3, 4), temperature=0.1).backward()
    assert still.grad is not None
    assert still.grad.isfinite().all()


@pytest.mark.parametrize(("name", "loss", "guess", "towards"), BETTER, ids=[one[0] for one in BETTER])
def test_under_bf16_a_loss_differs_only_by_the_rounding_of_what_it_is_given(
    name: str, loss: Callable[[torch.Tensor], torch.Tensor], guess: torch.Tensor, towards: torch.Tensor
) -> None:
    given = guess + 0.3 * (towards - guess)
    plain, rounded = loss(given), loss(given.to(torch.bfloat16).float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(given.to(torch.bfloat16))
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(rounded.item(), rel=1e-5)
    assert half.item() == pytest.approx(plain.item(), rel=0.02, abs=1e-3)  # bfloat16 rounds by up to 1 part in 256


def test_tensors_of_two_shapes_are_refused_rather_than_stretched() -> None:
    for loss in (dice_loss, restoration, lambda a, b: info_nce(a, b, temperature=0.1)):
        with pytest.raises(ValueError, match="one shape"):
            loss(torch.zeros(2, 1, 4), torch.zeros(2, 4))
