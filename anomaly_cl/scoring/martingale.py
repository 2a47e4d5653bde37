"""A test of exchangeability that may be looked at after every row: a conformal test martingale in closed form.

Each new row is ranked among the reference rows and all rows before it, ties broken at random. These ranks, the smoothed
conformal p-values of a bag that grows, are independent and uniform as long as the rows are exchangeable, however few
the reference rows and however long the stream (Vovk, Nouretdinov and Gammerman 2003, "Testing exchangeability on-line",
theorem 1; Vovk, Gammerman and Shafer 2005, theorem 8.1). p-values against a fixed reference are not: they share its
sampling error, which a long stream would find.

The bets are on the cell of the reference that the row falls into. In the growing bag a cell of `g` gaps that has `c` of
`t` rows so far has probability (g + c) / (n + 1 + t), which is Polya's urn; the bet offers instead the probability that
a Dirichlet prior with the stream's own rows gives. The capital after t rows is therefore a ratio of two
Dirichlet-multinomial probabilities, which depends on counts alone. It starts at 1, is a nonnegative martingale, and so
reaches 1 / level with probability at most `level`, ever (Ville 1939).
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, logsumexp

STRENGTHS = (10.0, 100.0)  # pseudo-rows of the priors: the bets of the first learn fast, of the second lose little
WIDTHS = (1, 2, 5)  # neighbouring cells that bets take together: of few rows wide ones learn more


def log_urn(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """log probability (...,) of rows with these counts (..., cells), in a given order, under Polya's urn.

    `weights` (..., cells) are what the urn holds at first, all above 0; each row adds 1 to its cell.

    >>> float(np.exp(log_urn(np.array([2, 0]), np.array([1.0, 1.0]))).round(6))  # 1/2 * 2/3
    0.333333
    """
    total = gammaln(weights.sum(-1)) - gammaln(weights.sum(-1) + counts.sum(-1))
    return total + (gammaln(weights + counts) - gammaln(weights)).sum(-1)


def log_capital(counts: np.ndarray, urn: np.ndarray) -> np.ndarray:
    """log capital (...,) of the martingale after rows with these counts (..., cells) were drawn from the urn.

    `urn` (..., cells) holds the gaps of each cell. The capital is laid out in equal parts on bets of all `STRENGTHS`
    and `WIDTHS` (but one cell alone is no bet).
    """
    total = urn.sum(-1, keepdims=True)
    capitals = []
    for width in (width for width in WIDTHS if width < counts.shape[-1]):
        rows, gaps = together(counts, width), together(urn, width)
        for strength in STRENGTHS:
            capitals.append(log_urn(rows, np.minimum(strength, total / 2) * gaps / total) - log_urn(rows, gaps))
    return logsumexp(capitals, axis=0) - np.log(len(capitals))


def together(cells: np.ndarray, width: int) -> np.ndarray:
    """Sums (..., groups) of so many neighbouring cells (..., cells) each; the last group may be narrower.

    >>> together(np.array([1, 2, 3, 4, 5]), 2).tolist()
    [3, 7, 5]
    """
    return np.add.reduceat(cells, np.arange(0, cells.shape[-1], width), axis=-1)
