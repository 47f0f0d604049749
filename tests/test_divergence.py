"""Divergences against the published formulas, written out over probabilities in 64 bits."""

from itertools import product

import pytest
import torch

from cotdistill.training.losses.divergence import Kind, divergence, divergence_top_k

POSITIONS, VOCABULARY, K = 7, 41, 5
KINDS: tuple[Kind, ...] = ("forward", "reverse", "skew")


def scores(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(POSITIONS, VOCABULARY, dtype=dtype, generator=torch.Generator().manual_seed(seed)) * 2


def published(p: torch.Tensor, q: torch.Tensor, kind: Kind, skew: float) -> torch.Tensor:
    """(N, categories) probabilities of teacher and student -> (N,), as the papers write it."""
    if kind == "forward":
        return (p * (p / q).log()).sum(-1)
    if kind == "reverse":
        return (q * (q / p).log()).sum(-1)
    return (p * (p / (skew * p + (1 - skew) * q)).log()).sum(-1)


def bucketed(probabilities: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    listed = probabilities.gather(-1, ids)
    return torch.cat([listed, 1 - listed.sum(-1, keepdim=True)], dim=-1)


@pytest.mark.parametrize(("kind", "temperature", "skew"), list(product(KINDS, (1.0, 2.0, 4.0), (0.0, 0.1, 0.5))))
def test_a_divergence_and_its_gradient_are_the_published_formulas(kind: Kind, temperature: float, skew: float) -> None:
    teacher, student = scores(1), scores(2).requires_grad_()
    expected = published((teacher / temperature).softmax(-1), (student / temperature).softmax(-1), kind, skew)
    (gradient,) = torch.autograd.grad(expected.sum() * temperature**2, student)
    for dtype in (torch.float64, torch.float32):
        mine = student.detach().to(dtype).requires_grad_()
        found = divergence(mine, teacher.to(dtype), kind, temperature=temperature, skew=skew)
        torch.testing.assert_close(found.double() / temperature**2, expected.detach(), rtol=1e-6, atol=1e-6)
        (its,) = torch.autograd.grad(found.sum(), mine)
        torch.testing.assert_close(its.double(), gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("kind", "skew"), list(product(KINDS, (0.0, 0.1, 0.5))))
def test_the_tokens_that_are_not_listed_are_one_category_of_their_own(kind: Kind, skew: float) -> None:
    teacher, student = scores(1).softmax(-1), scores(2).requires_grad_()
    probabilities, ids = teacher.topk(K)
    expected = published(bucketed(teacher, ids), bucketed(student.softmax(-1), ids), kind, skew)
    (gradient,) = torch.autograd.grad(expected.sum(), student)
    for dtype in (torch.float64, torch.float32):
        mine = student.detach().to(dtype).requires_grad_()
        found = divergence_top_k(mine, ids, probabilities.log().to(dtype), kind, skew=skew)
        torch.testing.assert_close(found.double(), expected.detach(), rtol=1e-6, atol=1e-6)
        (its,) = torch.autograd.grad(found.sum(), mine)
        torch.testing.assert_close(its.double(), gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_the_whole_vocabulary_is_the_full_divergence(kind: Kind) -> None:
    teacher, student = scores(1), scores(2).requires_grad_()
    logprobs, ids = teacher.log_softmax(-1).sort(descending=True)
    found = divergence_top_k(student, ids, logprobs, kind)
    torch.testing.assert_close(found, divergence(student, teacher, kind), rtol=1e-3, atol=1e-4)
    (gradient,) = torch.autograd.grad(found.sum(), student)
    assert gradient.isfinite().all(), "the tail is empty on both sides"


@pytest.mark.parametrize("kind", KINDS)
def test_places_that_a_teacher_left_over_change_nothing(kind: Kind) -> None:
    logprobs, ids = scores(1).log_softmax(-1).topk(K)
    left_over = torch.full((POSITIONS, 3), -1)
    nothing = torch.full((POSITIONS, 3), -torch.inf)
    longer = torch.cat([ids, left_over], dim=-1), torch.cat([logprobs, nothing], dim=-1)
    torch.testing.assert_close(
        divergence_top_k(scores(2), *longer, kind), divergence_top_k(scores(2), ids, logprobs, kind)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_teacher_and_a_student_that_are_sure_leave_numbers(kind: Kind) -> None:
    """Of a token that takes all the mass in 32 bits, in either of them, the tail has none."""
    sure = torch.zeros(2, VOCABULARY)
    sure[0, 3], sure[1, 4] = 200.0, 200.0
    student = sure.clone().requires_grad_()
    ids, logprobs = torch.tensor([[3, 5], [3, 5]]), torch.tensor([[0.0, -torch.inf], [0.0, -200.0]])
    found = divergence_top_k(student, ids, logprobs, kind)
    (gradient,) = torch.autograd.grad(found.sum(), student)
    assert found.isfinite().all() and gradient.isfinite().all()
    assert found[0] < 1e-4 < found[1], "the first two agree, the second two do not"
