"""Greedy ensemble selection: which of the models tried vote, and with what weight.

Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models", ICML 2004:
start empty, add with replacement the model that helps the vote most. Two of its remedies against
overfitting the validation rows are used: selection from the best models only, and bags of models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Loss = Callable[[Floats, NDArray[np.int64]], float]
"""(predictions of some rows, the rows' positions) -> loss."""

BAGS = 8
ROUNDS = 12
BAG_SHARE = 0.5


def select(library: Sequence[Floats], loss: Loss, rows: NDArray[np.int64], seed: int) -> Floats:
    """Weigh models by greedy selection on some rows.

    Args:
        library: Predictions per model, each of shape (all rows, …), made out of fold.
        loss: What to minimise.
        rows: Positions of the rows to select on.
        seed: Draws the bags.

    Returns:
        A weight per model, shape (models,), at least 0, summing to 1.
    """
    stack = np.stack([predictions[rows] for predictions in library])
    random = np.random.RandomState(seed)
    size = max(1, round(BAG_SHARE * len(library)))
    counts = np.zeros(len(library))
    for _ in range(BAGS):
        bag = np.sort(random.choice(len(library), size=size, replace=False))
        counts[bag] += _greedy(stack[bag], lambda p: loss(p, rows))
    weights: Floats = np.asarray(counts / counts.sum(), dtype=np.float64)
    return weights


def vote(library: Sequence[Floats], weights: Floats) -> Floats:
    """Return the weighted mean of the models' predictions, of the shape of one of them."""
    return np.asarray(np.tensordot(weights, np.stack(library), axes=1), dtype=np.float64)


def _greedy(stack: Floats, loss: Callable[[Floats], float]) -> Floats:
    counts: Floats = np.zeros(len(stack))
    total = np.zeros_like(stack[0])
    best_counts: Floats = counts.copy()
    best_loss = np.inf
    for size in range(1, ROUNDS + 1):
        losses = [loss((total + candidate) / size) for candidate in stack]
        chosen = int(np.argmin(losses))
        total = total + stack[chosen]
        counts[chosen] += 1
        if losses[chosen] < best_loss - 1e-12:
            best_counts, best_loss = counts.copy(), losses[chosen]
    shares: Floats = best_counts / best_counts.sum()
    return shares
