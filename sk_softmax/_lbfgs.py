"""scipy.optimize's L-BFGS, until its objective has seen enough."""

import numpy as np
from scipy.optimize import Bounds, minimize


class StageOver(Exception):
    """Raised by an objective when the point is good enough or time is up."""


def lbfgs(objective, gradient, size, memory, limits=None):
    """Minimise from zero, until the objective raises StageOver.

    Parameters
    ----------
    objective : callable
        Of an ndarray (size,).
    gradient : callable, or True
        Where it is, or whether the objective returns it beside the value.
    size : int
    memory : int
        Steps that are remembered.
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
