"""scipy.optimize's L-BFGS-B, which runs until its objective stops it.

Its own stopping criteria are off: the objective knows F - F* and counts the passes.
"""

import numpy as np
from scipy.optimize import Bounds, minimize


class StageOver(Exception):
    """Raised by an objective to end the run; its argument is the status."""


def lbfgs(objective, gradient, size, memory, limits=None):
    """Minimise from zero, within limits if any, until the objective raises StageOver.

    Parameters
    ----------
    objective : callable
        Of an ndarray (size,).
    gradient : callable, or True
        True where the objective returns the pair of value and gradient.
    size : int
    memory : int
        Pairs that are remembered.
    limits : pair of ndarrays (size,), or None
        Least and greatest values of the variables.

    Returns
    -------
    status : str
        What StageOver said; "stuck" where the line search found nothing better.
    """
    options = {"maxcor": memory, "maxiter": 10**6, "maxfun": 10**6}
    options |= {"ftol": 0.0, "gtol": 0.0}
    try:
        minimize(
            objective,
            np.zeros(size),
            jac=gradient,
            method="L-BFGS-B",
            bounds=None if limits is None else Bounds(*limits),
            options=options,
        )
    except StageOver as over:
        (status,) = over.args
        return status
    return "stuck"
