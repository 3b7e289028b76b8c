"""From face to face of the penalty, without a Hessian: for thousands of coefficients.

Working sets build the Hessian of all coefficients that are not zero, and their model's
minimiser factors it again and again. Here proximal gradient steps, as long as Barzilai
and Borwein's (Wright, Nowak and Figueiredo, doi:10.1109/TSP.2009.2016892), find a face:
which coefficients are zero, and which at a bound. There the penalty is smooth, and
conjugate gradients take Newton's step (Wen, Yin, Goldfarb and Zhang,
doi:10.1137/090747695).
"""

import math

import numpy as np

from ._conjugate_gradients import ConjugateGradients
from ._coordinates import Kronecker, build_axes
from ._cost import passes_to_minimise_part, pays_without_others
from ._newton import SHORTER, judged

# Proximal gradient steps in a row; each may end above the last one, but not above all
# of the last MEMORY. A face has settled where no more than SETTLED of it changes.
MAX_STEPS, MEMORY, SETTLED = 20, 3, 0.01
# Proximal gradient steps end early where one takes off F less than SLOW times the best.
SLOW = 0.25
# They pave the way as long as each time they take off more than this part of all that
# they have taken off F.
QUICK = 0.01
# Least length of such a step, in units in which the Hessian's diagonal is one.
SHORTEST = 1e-6
# Conjugate gradients for a step of Newton's. They stop where it leads the part LEAVING
# of the free coefficients off the face; or, more than FAR goals from the end, with the
# part ROUGH of the residual left. Directions with next to no curvature, FLAT in these
# units, are proximal steps': the penalty has a slope there until a coefficient is zero.
MAX_CG, LEAVING, FAR, ROUGH, FLAT = 100, 0.01, 30, 0.1, 1e-2
# Conjugate gradients have seen the least eigenvalue once this part of the squared
# residual is left. Small residuals may not show it, so the next round has to confirm.
SEEN = 1e-4
# Working sets would minimise so many models: the search ends where it has cost more.
N_MODELS = 2
# Rounds after which units are taken anew.
RENEWED = 1, 4, 10
# Steps of Newton's that may fail. One near the end, with all curvature, counts as
# AT_THE_END: the next would fail too.
MOST_FAILED, AT_THE_END = 12, 4


def search_faces(fit, dear):
    """Go down from the fit's point, to the optimum or as long as it may be quicker.

    Parameters
    ----------
    fit : Fit
        Of a problem with an l1 term. `fit.converged` tells whether the end is verified.
    dear : float
        How many passes the next model of working sets would cost.
    """
    axes, length, n_failed, rounds = _Axes.at(fit), 1.0, 0, 0
    # working sets have to find some passes left
    first, most = fit.passes(), 0.5 * fit.passes_left()
    distance, near = np.inf, False
    while not fit.converged and n_failed < MOST_FAILED:
        dear = max(dear, passes_to_minimise_part(fit.problem, axes.free(fit.point)))
        worth = N_MODELS * dear
        if fit.passes() - first >= min(worth, most):
            break
        length = _to_a_face(fit, axes, length)
        if fit.passes_left() > 2:
            # near the end all curvature counts
            flat = FLAT if distance > FAR * fit.goal(fit.point.value) else 0.0
            before = fit.point
            distance, near = _newton_on_face(fit, axes, flat, near)
            if fit.point is before:
                n_failed += 1 if flat else AT_THE_END
        fit.report()
        rounds += 1
        if rounds in RENEWED:
            axes = _Axes.at(fit)


def approach(fit):
    """Go down by proximal gradient steps alone, as long as these are quick.

    Where a working set's Hessian costs many passes, they find most of what is in it.
    """
    axes, length, first = _Axes.at(fit), 1.0, fit.point.value
    while fit.passes_left() > 2:
        before = fit.point.value
        length = _to_a_face(fit, axes, length)
        if before - fit.point.value <= QUICK * (first - fit.point.value):
            break


class _Axes:
    """Units of each coefficient in which its second derivative is one at a point.

    A group has one unit. Vectors are flat, (K (d + 1),).

    Parameters
    ----------
    penalty : Penalty
    axes : Kronecker
        With units of its own for each class and feature, zero for what stays still.
    blind : bool array (K, d)
        Coefficients that show no curvature.

    Attributes
    ----------
    index : int array (N,)
        The coefficients that move, in such a vector.
    part : Separable or Grouped
        The penalty of these.
    """

    def __init__(self, penalty, axes, blind):
        self._penalty, self._axes, self._blind = penalty, axes, blind
        self.step, self._gradient, scale = axes.step, axes.gradient, axes.scale
        self.shape = scale.shape
        self._where = scale[:, :-1].nonzero()
        self._unit = scale[:, :-1][self._where]
        self.index = np.ravel_multi_index(self._where, scale.shape)
        self.part = penalty.part(self._where, self._unit)

    @classmethod
    def at(cls, fit):
        """Those at a fit's point."""
        penalty = fit.problem.penalty
        axes = build_axes(fit.problem, fit.point.theta, fit.frame)
        units = axes.scale[:, :-1]
        if penalty.grouped:
            units[:] = units.min(axis=0)
        return cls(penalty, axes, (units == 0) & ~fit.frame.constant)

    def only(self, features):
        """The same units of some features, (d,) bool."""
        axes, kept = self._axes, np.append(features, True)
        axes = Kronecker(axes.Q, None, axes.scale[:, kept], axes.centre[:, features])
        return _Axes(self._penalty.only(features), axes, self._blind[:, features])

    def coefs(self, point):
        """The coefficients that move, less the prior mean, (N,)."""
        W = point.theta[:, :-1] - self._penalty.prior
        return W[self._where] / self._unit

    def free(self, point):
        """Which coefficients are off their kinks and bounds, (K, d) bool."""
        free = np.zeros(self._blind.shape, dtype=bool)
        free[self._where] = self.part.free(self.coefs(point))
        return free

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


class _Face:
    """Where the penalty is smooth at a point: Newton's model there.

    Vectors are in the axes times `root`, in which the penalty's curvature counts too.

    Parameters
    ----------
    problem : Problem
    axes : _Axes
    point : Point

    Attributes
    ----------
    free : array of 0 and 1
        Which variables may move.
    """

    def __init__(self, problem, axes, point):
        self.problem, self.axes, self.point = problem, axes, point
        self.u, index = axes.coefs(point), axes.index
        self.on_face = axes.part.free(self.u)
        size = axes.shape[0] * axes.shape[1]
        self.free, self.root = np.ones(size), np.ones(size)
        self.free[index] = self.on_face
        diagonal, self._bend = axes.part.curvature(self.u)
        self.root[index] = 1 / np.sqrt(1 + diagonal)

    def in_use(self):
        """Features whose coefficients are not zero or may move, (d,) bool."""
        moves = self.free.reshape(self.axes.shape) > 0
        return (moves | (self.point.theta != 0))[:, :-1].any(axis=0)

    def only(self, features):
        """The same face where the coefficients of other features are zero."""
        axes, point = self.axes.only(features), self.point.only(features)
        return _Face(self.problem.only(features), axes, point)

    def newton(self, flat, goal, most):
        """Newton's step by conjugate gradients, `most` at most, in the axes.

        Returns
        -------
        v : array
        cg : ConjugateGradients
        least : float
            The least eigenvalue that they have seen, about.
        rest : float
            What they have left of the model.
        verified : bool
            Whether that is next to nothing.
        """
        part, index, scale = self.axes.part, self.axes.index, self.root * self.free
        slope = self.axes.gradient(self.point)
        slope[index] += part.gradient(self.u)
        hessian = self.problem.hessian(self.point.theta)

        def product(v):
            v = scale * v
            Hv = self.axes.hessian_product(hessian, v)
            Hv[index] += self._bend(v[index])
            return scale * Hv

        cg = ConjugateGradients(product, -scale * slope, flat)
        least, rest, verified = 1.0, 0.5 * cg.rr, cg.rr == 0
        while cg.rr > 0 and len(cg.lengths) < min(most, MAX_CG) and cg.step():
            new = part.onto_face(self.u, self.u + (scale * cg.v)[index])
            left = (part.free(new) != self.on_face).sum()
            if left > LEAVING * self.on_face.sum():
                break
            least = max(0.5 * cg.least_ritz_value(), 1e-12)
            rest = 0.5 * cg.rr / least
            seen = cg.rr <= SEEN * cg.first_rr
            rough = cg.gain > FAR * goal and cg.rr <= ROUGH * cg.first_rr
            verified = seen and rest <= 0.1 * goal
            if verified or (rough and rest <= ROUGH * cg.gain):
                break
        return scale * cg.v, cg, least, rest, verified


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
    goal, passes = fit.goal(point.value), fit.passes_left() - 1
    face = _Face(fit.problem, axes, point)
    used = face.in_use()
    if pays_without_others(fit.problem, used):
        small, v = face.only(used), np.zeros(axes.shape)
        share = small.problem.pass_flops / fit.problem.pass_flops
        step, cg, least, rest, verified = small.newton(flat, goal, passes / share)
        v[:, np.append(used, True)] = step.reshape(len(v), -1)
        v = v.ravel()
        fit.problem.n_evaluations += math.ceil(share * len(cg.lengths))
    else:
        v, cg, least, rest, verified = face.newton(flat, goal, passes)
    for part_of_it in (1.0, *SHORTER)[: fit.passes_left()]:
        new = part.onto_face(face.u, face.u + part_of_it * v[index])
        step = part_of_it * v
        step[index] = new - face.u
        trial = axes.move(fit, step, new)
        if trial.value < point.value:
            break
    else:
        # there may be less to be had than F's last digits show
        outside = face.root * (1 - face.free) * axes.violation(point)
        distance = cg.gain + rest + 0.5 * (outside @ outside) / least
        near &= verified and distance <= goal and not axes.is_blind(point)
        fit.move(point, distance, near)
        return np.inf, False
    missed = face.root * axes.violation(trial)
    distance = 0.5 * (missed @ missed) / least
    trial, known, trusted = judged(fit, point, trial, distance, cg.gain, goal)
    end = trusted and verified and known <= fit.goal(trial.value)
    end = end and not axes.is_blind(trial)
    fit.move(trial, known, end and near and cg.gain <= goal)
    return distance, end
