"""From face to face of the penalty, without a Hessian: for thousands of coefficients.

Working sets build the Hessian of all coefficients that are not zero, and their model's
minimiser factors it again and again. Here proximal gradient steps, as long as Barzilai
and Borwein's (Wright, Nowak and Figueiredo, doi:10.1109/TSP.2009.2016892), find a face:
which coefficients are zero, and which at a bound. There the penalty is smooth, and
conjugate gradients take Newton's step (Wen, Yin, Goldfarb and Zhang,
doi:10.1137/090747695).
"""

import numpy as np

from ._conjugate_gradients import ConjugateGradients
from ._coordinates import build_diagonal
from ._newton import SHORTER, judged

# Proximal gradient steps in a row; each may end above the last one, but not above all
# of the last MEMORY. A face has settled where no more than SETTLED of it changes.
MAX_STEPS, MEMORY, SETTLED = 20, 3, 0.01
# Proximal gradient steps end early where one takes off F less than SLOW times the best.
SLOW = 0.25
# Least length of such a step, in units in which the Hessian's diagonal is one.
SHORTEST = 1e-6
# Conjugate gradients for a step of Newton's. They stop where it leads the part LEAVING
# of the free coefficients off the face; or, more than FAR goals from the end, with the
# part ROUGH of the residual left. Directions with next to no curvature, FLAT in these
# units, are proximal steps': the penalty has a slope there until a coefficient is zero.
MAX_CG, LEAVING, FAR, ROUGH, FLAT = 100, 0.1, 30, 0.1, 1e-2
# Conjugate gradients have seen the least eigenvalue once this part of the squared
# residual is left. Small residuals may not show it, so the next round has to confirm.
SEEN = 1e-4
# Rounds after which units are taken anew.
RENEWED = 1, 4, 10
# Steps of Newton's that may fail in a row.
MOST_FAILED = 10


def search_faces(fit, worth):
    """Go down from the fit's point, to the optimum or for about `worth` passes.

    The problem has an l1 term. `fit.converged` tells whether the end is verified.
    """
    axes, length, n_failed, rounds = _Axes(fit), 1.0, 0, 0
    # working sets have to find some passes left
    last = fit.passes() + min(worth, 0.5 * fit.passes_left())
    distance, near = np.inf, False
    while not fit.converged and fit.passes() < last and n_failed < MOST_FAILED:
        length = _to_a_face(fit, axes, length)
        if fit.passes_left() > 2:
            # near the end all curvature counts
            flat = FLAT if distance > FAR * fit.goal(fit.point.value) else 0.0
            before = fit.point
            distance, near = _newton_on_face(fit, axes, flat, near)
            n_failed = n_failed + 1 if fit.point is before else 0
        fit.report()
        rounds += 1
        if rounds in RENEWED:
            axes = _Axes(fit)


class _Axes:
    """Units of each coefficient in which its second derivative is one at a point.

    A group has one unit. Vectors are flat, (K (d + 1),).

    Parameters
    ----------
    fit : Fit

    Attributes
    ----------
    index : int array (N,)
        The coefficients that move, in such a vector.
    part : Separable or Grouped
        The penalty of these.
    """

    def __init__(self, fit):
        penalty = self._penalty = fit.problem.penalty
        with np.errstate(all="ignore"):  # units are finite whatever the moments are
            axes = build_diagonal(fit.problem, fit.point.theta, fit.frame)
        scale = axes.scale
        scale[:, :-1][:, fit.frame.constant] = 0
        if penalty.grouped:
            scale[:, :-1] = scale[:, :-1].min(axis=0)
        self.step, self._gradient, self.shape = axes.step, axes.gradient, scale.shape
        self._where = scale[:, :-1].nonzero()
        self._unit = scale[:, :-1][self._where]
        self.index = np.ravel_multi_index(self._where, scale.shape)
        self.part = penalty.part(self._where, self._unit)
        self._blind = (scale[:, :-1] == 0) & ~fit.frame.constant

    def coefs(self, point):
        """The coefficients that move, less the prior mean, (N,)."""
        W = point.theta[:, :-1] - self._penalty.prior
        return W[self._where] / self._unit

    def gradient(self, point):
        """The smooth part's gradient."""
        return self._gradient(point.gradient)

    def hessian_product(self, hessian, v):
        """The smooth part's Hessian with a vector."""
        return self._gradient(hessian(self.step(v)))

    def violation(self, point):
        """Distance of the negative gradient from the subdifferential, by variable."""
        violation = np.abs(self.gradient(point))
        violation[self.index] = self.part.violation(
            self.coefs(point), self.gradient(point)[self.index]
        )
        return violation

    def is_blind(self, point):
        """Whether F falls with coefficients that show no curvature and do not move."""
        W, G = point.theta[:, :-1], point.gradient[:, :-1]
        blind = self._blind
        return blind.any() and self._penalty.violation(W, G)[blind].any()

    def move(self, fit, v, new):
        """The point after a step v; what ends at zero or a bound is exactly there."""
        theta, W = fit.point.theta + self.step(v), fit.point.theta[:, :-1].copy()
        W[self._where] = self._penalty.coefs(self._where, self._unit, self.part, new)
        theta[:, :-1] = self._penalty.balanced(W)
        return fit.evaluate(theta)


def _to_a_face(fit, axes, length):
    """Proximal gradient steps until their face settles; the next one's length."""
    values, best, face = [fit.point.value], 0.0, None
    for _ in range(MAX_STEPS):
        point, gradient, u = fit.point, axes.gradient(fit.point), axes.coefs(fit.point)
        while True:
            v = -length * gradient
            each = np.full(len(u), length)
            new = axes.part.prox(u + v[axes.index], each)
            v[axes.index] = new - u
            trial = axes.move(fit, v, new)
            least = max(values[-MEMORY:]) - 1e-4 / length * (v @ v)
            if trial.value <= least or length < SHORTEST or fit.passes_left() <= 2:
                break
            length /= 3
        if not trial.value <= max(values[-MEMORY:]):
            break
        change = v @ (axes.gradient(trial) - gradient)
        length = float(np.clip(v @ v / change, 1e-4, 1e3)) if change > 0 else 10.0
        fit.move(trial, np.inf, False)
        taken, before, face = point.value - trial.value, face, axes.part.free(new)
        settled = before is not None and (face != before).sum() <= SETTLED * face.sum()
        values.append(trial.value)
        best = max(best, taken)
        if settled or taken < SLOW * best or fit.passes_left() <= 2:
            break
    return length


def _newton_on_face(fit, axes, flat, near):
    """Newton's step on the point's face.

    Parameters
    ----------
    flat : float
        Curvature that counts as none.
    near : bool
        Whether the last round came near the optimum, which this one may confirm.

    Returns
    -------
    distance : float
        Of the step's end, about; infinite where it led to no better point.
    near : bool
        Whether that is verified and less than the goal.
    """
    point, part, index = fit.point, axes.part, axes.index
    goal = fit.goal(point.value)
    u, slope = axes.coefs(point), axes.gradient(point)
    on_face = part.free(u)
    free = np.ones(len(slope))
    free[index] = on_face
    slope[index] += part.gradient(u)
    (diagonal, bend), root = part.curvature(u), np.ones(len(slope))
    root[index] = 1 / np.sqrt(1 + diagonal)
    hessian = fit.problem.hessian(point.theta)

    def product(v):
        v = root * free * v
        Hv = axes.hessian_product(hessian, v)
        Hv[index] += bend(v[index])
        return root * free * Hv

    cg = ConjugateGradients(product, -root * free * slope, flat)
    least, rest, verified = 1.0, 0.5 * cg.rr, cg.rr == 0
    while cg.rr > 0 and len(cg.lengths) < MAX_CG and fit.passes_left() > 1:
        if not cg.step():
            break
        v = root * free * cg.v
        new = part.onto_face(u, u + v[index])
        if (part.free(new) != on_face).sum() > LEAVING * on_face.sum():
            break
        least = max(0.5 * cg.least_ritz_value(), 1e-12)
        rest = 0.5 * cg.rr / least
        seen = cg.rr <= SEEN * cg.first_rr
        rough = cg.gain > FAR * goal and cg.rr <= ROUGH * cg.first_rr
        verified = seen and rest <= 0.1 * goal
        if verified or (rough and rest <= ROUGH * cg.gain):
            break
    v = root * free * cg.v
    for part_of_it in (1.0, *SHORTER)[: fit.passes_left()]:
        new = part.onto_face(u, u + part_of_it * v[index])
        step = part_of_it * v
        step[index] = new - u
        trial = axes.move(fit, step, new)
        if trial.value < point.value:
            break
    else:
        # there may be less to be had than F's last digits show
        outside = root * (1 - free) * axes.violation(point)
        distance = cg.gain + rest + 0.5 * (outside @ outside) / least
        near &= verified and distance <= goal and not axes.is_blind(point)
        fit.move(point, distance, near)
        return np.inf, False
    missed = root * axes.violation(trial)
    distance = 0.5 * (missed @ missed) / least
    trial, known, trusted = judged(fit, point, trial, distance, cg.gain, goal)
    end = trusted and verified and known <= fit.goal(trial.value)
    end = end and not axes.is_blind(trial)
    fit.move(trial, known, end and near and cg.gain <= goal)
    return distance, end
