r"""What the coefficients cost.

.. math:: \lambda \sum_{kj} \tfrac{1}{2} w_{kj}^2, \qquad \lambda = 1 / (C S)

Coefficients are (K, d); the intercepts are never penalised.
"""

import numpy as np


class Penalty:
    """The l2 penalty with the scale of scikit-learn's LogisticRegression.

    Parameters
    ----------
    strength : float
        1 / (C * sum of weights), 0 for no penalty.
    """

    def __init__(self, strength):
        self.strength = strength

    @property
    def is_ridge(self):
        """Whether it is a multiple of the squared norm, so W may be rotated."""
        return True

    @property
    def is_symmetric(self):
        """Whether it is the same for every class, so the optimum sums to zero."""
        return True

    def value_gradient(self, W):
        """Value and gradient (K, d)."""
        return self.strength / 2 * np.vdot(W, W), self.strength * W

    def curvature(self):
        """The Hessian's diagonal, broadcastable to (K, d)."""
        return np.full((1, 1), self.strength)
