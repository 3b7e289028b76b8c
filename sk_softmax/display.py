"""Plots: coefficients, path, scores over C, convergence, probabilities.

Like scikit-learn's displays: a display holds what is drawn as arrays, a classmethod
``from_...`` computes and draws it, and ``plot`` draws it again. matplotlib is
imported when something is drawn.
"""

from ._display_fit import ConvergenceDisplay, CVScoreDisplay, PathDisplay
from ._display_model import CoefficientDisplay, ProbabilityDisplay

__all__ = [
    "CVScoreDisplay",
    "CoefficientDisplay",
    "ConvergenceDisplay",
    "PathDisplay",
    "ProbabilityDisplay",
]
