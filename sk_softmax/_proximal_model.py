"""The quadratic model of an objective on a working set, and how far it is trusted.

It decides which coefficients are in the set, whether its Hessian is used again, how
much curvature is added to it, and what distance to the optimum it implies.
"""

from typing import NamedTuple

import numpy as np

from ._cost import passes_to_build_part, passes_to_minimise_part
from ._face import newton_on_face
from ._proximal import WorkingSet

# A working set takes in violators until it has LEAST coefficients, or twice as many as
# move already. Of MOST the Hessian takes 128 MB, and its factor again.
LEAST_WORKING_SET, MOST_WORKING_SET = 100, 4000
# If that is this part of all coefficients it takes all: nothing is then outside of it.
NEARLY_ALL = 0.9
# Coefficients that violate their KKT conditions with gradients this times as large are
# expected to come in soon.
SOON = 1.2
# A model is trusted up to the relative error TRUSTED of the gain that it promised. The
# error raises the next distance, without end at BELIEVED: less than `_newton`'s, with
# which distances were too small at tol=1e-2.
TRUSTED, BELIEVED = 0.2, 0.33
# A Hessian that costs more passes is dear. While the last step did what it promised,
# conjugate gradients correct the next one for what has changed since.
DEAR = 15
# If the Hessian and the minimum of its model cost more passes than this, a fit beside
# an l1 term goes on without them.
VERY_DEAR = 80
# After a step that promised more than this off F, a mean over the rows, the logits have
# moved too far for the old Hessian, however well its model held.
MOST_PROMISED = 1.0
# The gains to come are summed as a geometric series, with a ratio of this at most.
SLOWEST = 0.97
# A step that promises at most this part of the goal is idle. If F does not fall even by
# that, it is at its last digits.
IDLE = 1e-3
# Where probabilities are saturated the model is nearly flat and its step goes far
# beyond where it holds. Then FIRST is added to every curvature (they are at most about
# 1), and ten times more or less from step to step. Below LEAST it is dropped; past MOST
# the fit gives up.
LEAST_DAMPING, FIRST_DAMPING, MOST_DAMPING = 1e-9, 1e-5, 1e3


class Step(NamedTuple):
    """What a model says of the way to the optimum.

    Attributes
    ----------
    direction : (K, d + 1)
    landing : (K, d)
        The coefficients after it; what ends at zero or at a bound is exactly there.
    gain : float
        What it promises to take off F.
    distance : float
        F - F* as far as the working set tells.
    known : float
        The same, or infinity if some violators are not in the set.
    reliable : bool
        Whether all violators are in the set, and nothing is added to the curvature.
    exact : bool
        Whether the Hessian is that of the fit's point.
    ends_turns : bool
        Whether the set is one of several that take turns, and has nothing left to gain.
    """

    direction: np.ndarray
    landing: np.ndarray
    gain: float
    distance: float
    known: float
    reliable: bool
    exact: bool
    ends_turns: bool


class Model:
    """The quadratic model of a fit's objective, and how far it is to be trusted.

    Parameters
    ----------
    fit : Fit
    on_path : bool
        Whether the fit starts from the optimum of the last fit of a path.

    Attributes
    ----------
    fresh : bool
        Whether the Hessian was taken at the fit's point.
    trusted : bool
        Whether the last step did what the model had promised.
    damping : Damping
    idle : int
        How many steps in a row promised next to nothing.
    dear : float
        How many passes a model costs, once that was too much, or 0 so far.
    """

    def __init__(self, fit, on_path):
        self._fit, self._on_path = fit, on_path
        self._working = self._H = None
        if fit.leftover.working is not None:
            working, H = fit.leftover.working
            self._working, self._H = working.with_penalty(fit.problem, H)
        self.fresh, self.trusted = False, self._H is not None
        # few coefficients within bounds: all are in the set from the start, none hidden
        few = fit.problem.penalty.l1.size <= LEAST_WORKING_SET
        whole = few and fit.problem.penalty.has_bounds and not on_path
        always = whole & ~fit.frame.constant
        self._always = np.broadcast_to(always, fit.problem.penalty.l1.shape)
        self.damping, self._last_gain = Damping(), np.inf
        self._last_error, self.idle, self.dear = 0.0, 0, 0.0

    def step(self, violation):
        """The step to the model's minimum, on a working set that fits the point.

        None where the set is so large that `search_faces` may be quicker, once.
        """
        fit, point, working = self._fit, self._fit.point, self._working
        chosen, violating, in_turns = _choose(fit.problem, point, violation)
        more = chosen | self._always
        chosen = more if more.sum() <= MOST_WORKING_SET else chosen
        if self._H is None or (chosen & ~working.chosen).any():
            if self._is_dear(chosen, in_turns):
                return None
            if self._on_path:
                chosen |= _soon(fit.problem, point, fit.frame, chosen)
            working = self._working = WorkingSet(
                fit.problem, fit.frame, self._completed(chosen)
            )
            self._H, self.fresh = working.hessian(point.theta), True
        complete = not (violating & ~working.chosen).any()
        level, W = self.damping.level, point.theta[:, :-1]
        step = working.step(self._H, W, point.gradient, level)
        exact = self.fresh
        if self._wants_correction(step, in_turns):
            corrected = newton_on_face(fit, working, self._H, *step[1:3])
            exact, step = corrected is not None, corrected or step
        direction, landing, gain, rest = step
        # the relative error of the last step may be this one's too
        distance = (gain + rest) / (1 - self._last_error / BELIEVED)
        if gain > fit.noise(point):  # a geometric series of the gains to come
            distance /= 1 - min(gain / self._last_gain, SLOWEST)
        if not exact:  # the Hessian is another point's, with BFGS updates
            distance *= 1.5
        if in_turns:  # while gains fall fast, those to come add up to no more than this
            distance *= 2
            complete &= gain <= 0.3 * self._last_gain
        return Step(
            direction,
            landing,
            gain,
            distance,
            known=distance if complete else np.inf,
            reliable=complete and level == 0,
            exact=exact,
            ends_turns=in_turns and not complete and distance <= fit.floor,
        )

    def _is_dear(self, chosen, in_turns):
        """Whether working sets now take longer than to go without."""
        problem = self._fit.problem
        if self.dear or not problem.penalty.has_l1:
            return False
        passes = passes_to_minimise_part(problem, chosen)
        if in_turns or passes > VERY_DEAR:
            self.dear = passes
            self.drop()
        return self.dear > 0

    def _completed(self, chosen):
        """All coefficients, if those that are chosen are nearly all.

        Beside an l1 term a set of which some are at zero says more: what is hidden
        outside of it.
        """
        if self._fit.problem.penalty.has_l1:
            return chosen
        every = chosen | ~self._fit.frame.constant
        n = every.sum()
        nearly_all = chosen.sum() >= NEARLY_ALL * n and n <= MOST_WORKING_SET
        return every if nearly_all else chosen

    def _wants_correction(self, step, in_turns):
        """Whether a step on an old, dear Hessian is to be corrected for its age."""
        fit, (_, _, gain, rest) = self._fit, step
        old = not (self.fresh or self._on_path or in_turns or self.damping.level)
        if not old or fit.problem.penalty.grouped or not self.trusted:
            return False
        if 4 * (gain + rest) <= fit.goal(fit.point.value):  # it may end the fit as is
            return False
        return passes_to_build_part(fit.problem, self._working.chosen) > DEAR

    def hidden(self, distance):
        """Coefficients outside of the set with which F may fall further, (K, d) bool.

        Where features are collinear, some can go far together with one that is held at
        zero or at its bound by next to nothing. Steps that take `distance` off F move a
        coefficient's gradient by no more than its square root, since the loss's
        curvature is 1/2 at most: what is held by more than that stays where it is.
        Empty down a path, and where they do not fit in the set.
        """
        fit, chosen = self._fit, self._working.chosen
        hidden = np.zeros_like(chosen)
        if self._on_path:
            return hidden
        for more in (np.sqrt(distance), -np.sqrt(distance)):
            hidden |= kkt_violation(fit.problem, fit.point, fit.frame, more=more) > 0
        if fit.problem.penalty.grouped:
            hidden |= hidden.any(axis=0)
        hidden &= ~chosen
        together = chosen | self._always | hidden
        return hidden & (together.sum() <= MOST_WORKING_SET)

    def widen(self, hidden):
        """Keep these in the set too, from now on."""
        self._always = self._always | hidden
        self.drop()

    def is_stale(self, step):
        """Whether the Hessian is an old one that failed, or whose gains fall slowly."""
        return not step.exact and not (
            self.trusted and step.gain <= 0.3 * self._last_gain
        )

    def drop(self):
        """Forget the Hessian: the next step takes it anew."""
        self._H = None

    def learn(self, step, trial):
        """Judge the model by a step that was taken, and update or drop its Hessian."""
        fit, gain = self._fit, step.gain
        taken, noise = fit.point.value - trial.value, fit.noise(fit.point)
        goal = fit.goal(trial.value)
        small = 10 * step.distance <= goal
        self.damping.lower(taken > 0.5 * gain - noise, small, gain <= noise)
        # where classes are separated every step misses by a third (`_newton.judged`):
        # one that is small beside the goal may do so
        error = abs(taken - gain)
        self.trusted = error - noise <= (1.0 if small else TRUSTED) * gain
        self._last_error = min(error / max(gain, 1e-300), TRUSTED)
        slow = gain > 0.5 * self._last_gain
        self._last_gain, self.fresh = gain, False
        self.idle = self.idle + 1 if gain <= max(IDLE * goal, fit.floor) else 0
        outdated = not self.trusted or slow or gain > MOST_PROMISED
        if outdated or self._worth_building(error - noise, gain, goal):
            self.drop()
        else:
            self._working.learn(self._H, fit.point, trial)

    def _worth_building(self, error, gain, goal):
        """Whether a new Hessian costs less than the rounds that it would save.

        What the model missed is about what is left. With the old Hessian each round
        makes that less by the same factor, with a new one by its square at least: half
        the rounds are saved. On a path the old one is kept: its updates hold the
        curvature that is ahead.
        """
        if self._on_path or not goal < error < gain:
            return False
        rounds = np.log(error / goal) / np.log(gain / error)
        chosen = self._working.chosen
        return passes_to_build_part(self._fit.problem, chosen) < 0.5 * rounds

    def recover(self, step):
        """Change the model after a step that failed; False if there is no other."""
        if not self.fresh:
            self.drop()
        elif self.damping.level > 0 and step.gain <= self._fit.noise(self._fit.point):
            self.damping.level = 0.0  # there was nothing to be had
            self.idle += 1
        elif self.damping.level > MOST_DAMPING:
            return False
        else:
            self.damping.raise_()
        return True

    def working(self):
        """The working set and its Hessian for the next fit of a path, or None."""
        useful = self._fit.converged and self._H is not None
        return (self._working, self._H) if useful else None


class Damping:
    """Curvature that is added to every variable (Levenberg and Marquardt's).

    Attributes
    ----------
    level : float
        In the frame's units, in which curvatures are at most about 1.
    """

    def __init__(self):
        self.level, self._raised, self._needed = 0.0, False, False

    def raise_(self):
        """After a step that failed: more."""
        self._needed |= self.level == 0  # an undamped step has failed
        self.level, self._raised = 10 * self.level or FIRST_DAMPING, True

    def lower(self, held, small, idle):
        """After a step that was taken: less, if its model held.

        Parameters
        ----------
        held : bool
            Whether the model held.
        small, idle : bool
            Whether the step was small beside the goal; or promised only rounding.
        """
        self._needed &= self.level > 0
        if held and idle and not self._needed:
            self.level = 0.0
        elif held and (small or not self._raised):  # just raised, it has to hold twice
            self.level = 0.1 * self.level if self.level > LEAST_DAMPING else 0.0
        self._raised = False


def kkt_violation(problem, point, frame, factor=1.0, more=0.0):
    """Violation of the KKT conditions, (K, d), in the frame's units.

    As if the gradients were `factor` times as large, and by `more` larger in size.
    """
    W, gradient = point.theta[:, :-1], factor * point.gradient
    centred = gradient[:, :-1] - gradient[:, -1:] * frame.centre
    if more:
        centred += more / frame.scale * np.sign(centred)
    violation = problem.penalty.violation(W, centred) * frame.scale
    violation[:, frame.constant] = 0  # whose gradients are rounding
    return violation


def _soon(problem, point, frame, chosen):
    """Coefficients that a slightly weaker penalty, or the next step, would let in.

    With them in the set its Hessian serves longer. None, where they are more than those
    in it.
    """
    near = (kkt_violation(problem, point, frame, SOON) > 0) & ~chosen
    if problem.penalty.grouped:
        near |= near.any(axis=0)
    room = min(chosen.sum(), MOST_WORKING_SET - chosen.sum())
    return near if near.sum() <= room else np.zeros_like(near)


def _choose(problem, point, violation):
    """The next working set.

    Returns
    -------
    chosen, violating : (K, d) bool
        The set; and the violators among the coefficients that are held, in it or not.
    in_turns : bool
        Whether more coefficients move than a set can have: the worst come first.
    """
    W = point.theta[:, :-1]
    moving = W != problem.penalty.rest
    if problem.penalty.has_bounds:
        moving &= (W > problem.penalty.lower) & (W < problem.penalty.upper)
    if problem.penalty.grouped:
        moving |= moving.any(axis=0)
        violation = np.broadcast_to(violation.max(axis=0), W.shape)
    violating = (violation > 0) & ~moving
    n_moving = np.count_nonzero(moving)
    in_turns = n_moving >= MOST_WORKING_SET
    if in_turns:
        chosen = moving | violating
        chosen &= _greatest(violation, MOST_WORKING_SET // 2)
    else:
        new = violating
        room = max(LEAST_WORKING_SET - n_moving, n_moving)
        room = min(room, MOST_WORKING_SET - n_moving)
        if np.count_nonzero(new) > room:
            new = new & _greatest(np.where(new, violation, 0), room)
        chosen = moving | new
    if problem.penalty.grouped:
        chosen |= chosen.any(axis=0)
    return chosen, violating, in_turns


def _greatest(values, n):
    """A mask of the n greatest."""
    mask = np.zeros(values.size, dtype=bool)
    mask[np.argsort(-values, axis=None)[:n]] = True
    return mask.reshape(values.shape)
