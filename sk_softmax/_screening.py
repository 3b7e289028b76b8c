"""The features that may come in, before all others: an l1 term leaves most out.

Of the many thousand words of a text few are in use, but each pass takes the gradient of
all, and a step moves all. Proximal gradient steps tell which may come in; these are
fitted alone, and one pass over all features shows whether any should join, as strong
rules do with their mistakes (Tibshirani et al., doi:10.1111/j.1467-9868.2011.01004.x).
"""

import math
from dataclasses import replace

import numpy as np

from ._cost import pays_without_others
from ._face_search import approach
from ._proximal_model import kkt_violation
from ._proximal_newton import proximal_newton

# Features are fitted whose KKT conditions are violated with gradients SOON times as
# large, where the proximal gradient steps end. At their optimum those join that are
# with gradients NEARLY the same: there the others have some way to go.
SOON, NEARLY = 2.0, 1.1
# Fits of some features, at most; then all features' fit goes on.
MOST_FITS = 4


def fit_those_in_use(fit):
    """Go down from the fit's point, without the features that are not in use there.

    Parameters
    ----------
    fit : Fit
        Of sparse rows, with an l1 term. `fit.converged` tells whether it has ended.
    """
    penalty = fit.problem.penalty
    always = penalty.prior.any(axis=0) | (penalty.rest != 0).any(axis=0)
    kept = always | _wanted(fit)
    if pays_without_others(fit.problem, kept):
        _fit_some(fit, kept, approach)
    else:
        approach(fit)
    kept = always | _wanted(fit, SOON)  # the start violated many that are well by now
    for _ in range(MOST_FITS):
        if fit.passes_left() <= 2 or not pays_without_others(fit.problem, kept):
            break
        some = _fit_some(fit, kept, proximal_newton)
        joining = _wanted(fit, NEARLY) & ~kept
        if not joining.any():
            fit.move(fit.point, some.distance, some.converged)
        if fit.converged or not some.converged:
            break
        kept |= joining


def _wanted(fit, factor=1.0):
    """Features in use, or that violate their KKT conditions, (d,) bool.

    As if the gradients were `factor` times as large.
    """
    violation = kkt_violation(fit.problem, fit.point, fit.frame, factor)
    return ((violation > 0) | (fit.point.theta[:, :-1] != 0)).any(axis=0)


def _fit_some(fit, kept, go_down):
    """Move to where that leads, with the other features' coefficients at zero.

    Parameters
    ----------
    fit : Fit
    kept : bool array (d,)
    go_down : callable
        From a fit's point.

    Returns
    -------
    Fit
        Without the other features.
    """
    kept_and_intercept = np.append(kept, True)

    def whole(theta):
        lifted = np.zeros(fit.problem.shape)
        lifted[:, kept_and_intercept] = theta
        return lifted

    def tell(n_iter, point, optimality):
        point = replace(point, theta=whole(point.theta), gradient=None)
        return fit.progress(before + math.ceil(share * n_iter), point, optimality)

    before = fit.passes()
    some = fit.only(kept, tell if fit.progress is not None else None)
    share = some.problem.pass_flops / fit.problem.pass_flops
    go_down(some)
    fit.problem.n_evaluations += math.ceil(share * some.passes())
    point = fit.evaluate(whole(some.point.theta))
    if point.value < fit.point.value:
        fit.move(point, np.inf, False)
    if some.passes_left() <= 0:  # a callback asked for the end, or these were all
        fit.last_pass = fit.problem.n_evaluations
    return some
