"""scipy.optimize in good coordinates; when to stop; what to report.

A fit alternates L-BFGS in coordinates taken at the current point with fresh
coordinates, since the Hessian changes as the probabilities do. In coordinates
that make the Hessian the identity, half the squared norm of the gradient is the
distance F - F* that is left. Away from the point where they were taken they
flatter, so before a fit calls itself converged the distance is measured with
conjugate gradients on the true Hessian. The Newton step that this gives for
nothing is taken too, and is what reaches the last digits.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal
from scipy.optimize import minimize

from ._coordinates import Frame, build, passes_worth, preference, row_space
from ._proximal import WorkingSet

# Pairs that L-BFGS remembers: more than scipy's 10, for they cost K d and save
# passes over the data.
MEMORY = 30
# Evaluations in the first coordinates, and how much longer each next ones last.
FIRST_STAGE, GROWTH = 5, 1.5
# How many times the goal is near enough for Newton's method to end the fit: its
# conjugate gradients have to be run anyway, to measure what is left.
# Where that fails, L-BFGS has to come nearer before it is tried again.
NEAR = 30
# A working set has at least this many coefficients where there are as many to
# move, and at most so many that their Hessian and its factor fit in memory.
LEAST_WORKING_SET, MOST_WORKING_SET = 100, 4000
# Where probabilities are saturated the model is nearly flat and its step goes far
# beyond where it holds. So much curvature is added to it until F falls.
LEAST_DAMPING, MOST_DAMPING = 1e-4, 1e3
# Conjugate gradient steps for the distance to the optimum.
MAX_CG = 30


@dataclass
class Result:
    """What a fit came to.

    Attributes
    ----------
    theta : ndarray of shape (K, d + 1)
    value : float
        The objective.
    n_iter : int
        Passes over the data: evaluations and Hessian products.
    optimality : float
        Estimate of (F - F*) / (F0 - F*), F0 being the objective without features.
    gradient_norm : float
        Greatest entry of the gradient, in size.
    converged : bool
    """

    theta: np.ndarray
    value: float
    n_iter: int
    optimality: float
    gradient_norm: float
    converged: bool
    leftover: "Leftover | None" = None


@dataclass
class Leftover:
    """What a fit leaves to one of the same rows under another penalty.

    Attributes
    ----------
    frame : Frame
    null_value : float
        The objective without features.
    point : Point or None
        The solution, with value and gradient of the loss alone.
    coordinates : Hessian or Kronecker, or None
    kind : str or None
        Of the coordinates.
    """

    frame: Frame
    null_value: float
    point: "Point | None" = None
    coordinates: object = None
    kind: str | None = None


@dataclass
class Point:
    """A point with what one pass over the data tells of it."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray


class _StageOver(Exception):
    """Raised through scipy.optimize when the point is good enough or time is up."""


def solve(problem, start=None, **options):
    """Minimise a problem, by `descend` or, with l1 or bounds, `proximal_newton`.

    Where the penalty permits and it pays, on fewer features. Parameters and the
    result are those of `descend`.
    """
    leftover = options.get("leftover")
    if start is None and leftover is None and np.ndim(problem.penalty.prior):
        start = problem.start_point()
    if not problem.penalty.is_smooth:
        return proximal_newton(problem, start, **options)
    fresh = start is None and leftover is None
    reduced, lift = row_space(problem) if fresh else (None, None)
    if reduced is not None:
        result = descend(reduced, **options)
        check = _evaluate(problem, lift(result.theta))
        error = abs(check.value - result.value)
        if error <= 1e4 * np.finfo(problem.rows.dtype).eps * abs(result.value):
            gradient_norm = float(np.abs(check.gradient).max())
            return replace(
                result,
                theta=check.theta,
                n_iter=result.n_iter + 1,
                gradient_norm=gradient_norm,
            )
    return descend(problem, start, **options)


def descend(
    problem, start=None, *, tol, max_iter, kinds=None, progress=None, leftover=None
):
    """Minimise a smooth problem.

    Parameters
    ----------
    problem : Problem
    start : ndarray of shape (K, d + 1) or None
        Where to start; None is the best point without features.
    tol : float
        Relative suboptimality at which to stop.
    max_iter : int
        Passes over the data at which to stop.
    kinds : sequence of str or None
        Kinds of coordinates in order of preference.
    progress : callable or None
        Called after each stage with (n_iter, value, optimality).
    leftover : Leftover or None
        Of a fit to the same rows, where this one starts in `start`'s place.

    Returns
    -------
    Result
    """
    first_pass = problem.n_evaluations
    point = null = _null(problem, leftover, _evaluate)
    if leftover is not None:
        point = _with_penalty(problem, leftover.point)
    elif start is not None:
        point = _evaluate(problem, start)
    noise = 4 * np.finfo(problem.rows.dtype).eps
    floor = noise * max(abs(null.value), abs(point.value))

    def goal(value):
        return max(tol * (null.value - value), noise * abs(value))

    leftover = leftover or Leftover(Frame(problem), null.value)
    frame, coordinates = leftover.frame, leftover.coordinates
    kind, inherited = leftover.kind, coordinates is not None
    kinds = kinds or preference(problem)
    last_pass = first_pass + max_iter
    converged = stale = False
    stage, near, distance = 0, NEAR, np.inf
    while not converged and problem.n_evaluations < last_pass:
        # without features the probabilities are the same for all rows, and the
        # Hessian is a Kronecker product
        exact = point is null and kinds[0] == "hessian" and problem.shape[0] > 1
        if not inherited:
            coordinates, kind = build(
                problem, point.theta, frame, ["kronecker"] * exact + list(kinds)
            )
        # long enough to be worth the building
        length = max(FIRST_STAGE * GROWTH**stage, min(passes_worth(problem, kind), 100))
        length = int(length)
        length = min(length, last_pass - problem.n_evaluations)
        point, distance, status = _lbfgs(
            problem, point, coordinates, goal, near, length
        )
        stage += 1
        if status != "longer":
            if problem.n_evaluations >= last_pass - 1:
                break  # Newton takes a product and an evaluation
            trial, distance, trusted = _newton(
                problem, point, coordinates, goal, last_pass
            )
            near *= 0.1
            better = _is_better(trial, point, coordinates, problem.rows.dtype)
            point = trial if better else point
            # a trial that is not better is no nearer to the optimum
            converged = trusted and distance <= goal(point.value)
            if better or converged:
                pass
            elif inherited:
                pass
            elif status == "stuck" and len(kinds) > 1:
                kinds = kinds[1:]  # these coordinates lead nowhere
            elif status == "stuck" and stale:
                # F is flat to the last digit, in every direction that we know
                converged = distance <= 16 * floor
                break
            stale = status == "stuck" and not inherited
        inherited = False
        if point.value <= goal(point.value):  # F* is not negative
            distance, converged = point.value, True
        if progress is not None:
            gain = max(null.value - point.value, floor)
            progress(problem.n_evaluations - first_pass, point.value, distance / gain)
    return Result(
        theta=point.theta,
        value=point.value,
        n_iter=max(problem.n_evaluations - first_pass, 1),
        optimality=_optimality(distance, null.value - point.value, floor),
        gradient_norm=float(np.abs(point.gradient).max()),
        converged=bool(converged),
        leftover=replace(
            leftover,
            point=_with_penalty(problem, point, -1),
            coordinates=coordinates,
            kind=kind,
        ),
    )


def _null(problem, leftover, evaluate):
    """The best point without features."""
    theta = problem.null_point()
    if leftover is None or theta[:, :-1].any() or np.ndim(problem.penalty.prior):
        return evaluate(problem, theta)
    return Point(theta, leftover.null_value, None)  # where the penalty is zero


def _with_penalty(problem, point, sign=1):
    """A point of the loss alone with the penalty added, or taken off."""
    W = point.theta[:, :-1]
    value, penalty_gradient = problem.penalty.value_gradient(W)
    if not problem.penalty.is_smooth:
        value += problem.penalty.value(W)
    gradient = point.gradient.copy()
    gradient[:, :-1] += sign * penalty_gradient
    return Point(point.theta, point.value + sign * float(value), gradient)


def _optimality(distance, gain, floor):
    """distance / (gain + distance), at most 1 (and that where nothing is known)."""
    if not np.isfinite(distance):
        return 1.0
    if distance <= 0:
        return 0.0
    return float(min(distance / max(gain + distance, floor), 1.0))


def _evaluate(problem, theta):
    return Point(theta, *problem.value_gradient(theta))


def _lbfgs(problem, start, coordinates, goal, near, max_evaluations):
    """L-BFGS in the coordinates until they put F - F* below near * goal.

    Returns
    -------
    point : Point
        The best one seen.
    distance : float
        F - F* there, as far as the coordinates can be trusted.
    status : {"near", "longer", "stuck"}
        Whether that is near, or could be with more evaluations, or nothing
        better was found.
    """
    best, best_gradient = start, coordinates.gradient(start.gradient)
    size = np.linalg.norm(best_gradient)
    if 0.5 * size**2 <= near * goal(start.value):
        return start, 0.5 * size**2, "near"
    first = start.value, best_gradient * size
    evaluations = 0

    def objective(u):
        # scipy's first step has length one, whatever the gradient; in units of
        # the gradient's size that is the step to the optimum.
        nonlocal best, best_gradient, evaluations
        if not u.any():
            return first
        point = _evaluate(problem, start.theta + coordinates.step(u * size))
        gradient = coordinates.gradient(point.gradient)
        evaluations += 1
        if point.value < best.value:
            best, best_gradient = point, gradient
            if 0.5 * (gradient @ gradient) <= near * goal(point.value):
                raise _StageOver("near")
        if evaluations >= max_evaluations:
            raise _StageOver("longer")
        return point.value, gradient * size

    options = {"maxcor": MEMORY, "maxiter": 10**6, "maxfun": 10**6}
    options |= {"ftol": 0.0, "gtol": 0.0}
    try:
        minimize(
            objective,
            np.zeros(coordinates.size),
            jac=True,
            method="L-BFGS-B",
            options=options,
        )
        status = "stuck"  # the line search found nothing better
    except _StageOver as over:
        (status,) = over.args
    return best, 0.5 * (best_gradient @ best_gradient), status


def _newton(problem, point, coordinates, goal, last_pass):
    """A Newton step by conjugate gradients, and the distance F - F* after it.

    The coordinates alone may flatter: what they take for curvature need not be
    there. Conjugate gradients on the true Hessian find its least eigenvalue in
    these coordinates, and with it a bound of what they leave (the Gauss-Radau
    bound of Meurant and Tichy, doi:10.1007/s11075-018-0634-8).

    Returns
    -------
    trial : Point
    distance : float
    trusted : bool
        Whether the step took off F what Newton's model had promised.
    """
    hessian = problem.hessian(point.theta)
    residual = -coordinates.gradient(point.gradient)
    direction = residual
    v = np.zeros_like(residual)
    norm = first = residual @ residual
    lengths, ratios = [], []
    gain, least, rest = 0.0, 1.0, 0.5 * norm
    while norm > 0 and len(lengths) < MAX_CG and problem.n_evaluations < last_pass - 1:
        product = coordinates.gradient(hessian(coordinates.step(direction)))
        curvature = direction @ product
        if curvature <= 0:  # rounding; the Hessian has no such direction
            break
        lengths.append(norm / curvature)
        v = v + lengths[-1] * direction
        residual = residual - lengths[-1] * product
        gain += 0.5 * lengths[-1] * norm
        ratios.append((residual @ residual) / norm)
        norm *= ratios[-1]
        direction = residual + ratios[-1] * direction
        least, bound = _least_eigenvalue_and_bound(lengths, ratios)
        rest = max(0.5 * norm * bound, 0.0)  # rounding may leave it below
        near_end = norm <= 0.01 * first and rest <= 0.3 * goal(point.value)
        if near_end or gain > NEAR * goal(point.value):
            break
    trial = _evaluate(problem, point.theta + coordinates.step(v))
    # in the norm of the inverse Hessian: what the steps left, and what the
    # model had missed
    missed = coordinates.gradient(trial.gradient) + residual
    distance = (np.sqrt(rest) + np.sqrt(0.5 * (missed @ missed) / least)) ** 2
    noise = 1e3 * np.finfo(problem.rows.dtype).eps * abs(point.value)
    trusted = abs(point.value - trial.value - gain) <= 0.1 * gain + noise
    return trial, distance, trusted


def _least_eigenvalue_and_bound(lengths, ratios):
    """Of what conjugate gradients with these step lengths and ratios have seen.

    The bound times the squared residual is at least the squared error in the
    Hessian's norm, if half the least Ritz value is below every eigenvalue.
    """
    inverse = 1 / np.array(lengths)
    beta = np.array(ratios)
    diagonal = inverse + np.append(0, beta[:-1] * inverse[:-1])
    least = eigvalsh_tridiagonal(diagonal, np.sqrt(beta[:-1]) * inverse[:-1])[0]
    least = max(0.5 * least, 1e-12)
    bound = 1 / least
    for length, ratio in zip(lengths, ratios, strict=True):
        bound = (bound - length) / (least * (bound - length) + ratio)
    return least, bound


def _is_better(trial, point, coordinates, dtype):
    """Whether the trial point is nearer to the optimum, also where F is flat."""
    flat = 16 * np.finfo(dtype).eps * abs(point.value)
    if trial.value < point.value - flat:
        return True
    before = np.linalg.norm(coordinates.gradient(point.gradient))
    after = np.linalg.norm(coordinates.gradient(trial.gradient))
    return trial.value <= point.value + flat and after < 0.9 * before


def proximal_newton(
    problem, start=None, *, tol, max_iter, kinds=None, progress=None, leftover=None
):
    """Minimise a problem with a non-smooth penalty or bounds.

    Each round has the Hessian of a working set, the coefficients that are not
    zero or at a bound and the worst violators of their KKT condition, and steps
    to the minimum of the quadratic model plus the penalty. While the model
    describes what its steps do, its Hessian serves the next round too.

    Parameters and the result are those of `descend`; `kinds` does not matter.
    """
    penalty = problem.penalty
    first_pass = problem.n_evaluations
    last_pass = first_pass + max_iter
    null = point = _null(problem, leftover, _composite)
    if leftover is not None:
        point = _with_penalty(problem, leftover.point)
    elif start is not None:
        start = start.copy()
        start[:, :-1] = penalty.feasible(start[:, :-1])
        point = _composite(problem, start)
    eps = np.finfo(problem.rows.dtype).eps
    floor = 4 * eps * max(abs(null.value), abs(point.value))

    def goal(value):
        return max(tol * (null.value - value), floor)

    leftover = leftover or Leftover(Frame(problem), null.value)
    frame = leftover.frame
    H = working = None
    fresh = converged = trusted = False
    distance, previous, damping = np.inf, np.inf, 0.0
    while not converged and problem.n_evaluations < last_pass:
        chosen, complete = _choose(problem, point, frame, working)
        if H is None or (chosen & ~working.chosen).any():
            working = WorkingSet(problem, frame, chosen)
            H, fresh = working.hessian(point.theta), True
        direction, landing, distance = working.step(
            H, point.theta[:, :-1], point.gradient, damping
        )
        reliable = complete and damping == 0
        converged = reliable and trusted and distance <= goal(point.value)
        if point.value <= goal(point.value):  # F* is not negative
            distance, converged = point.value, True
        if converged:
            break
        if not fresh and not (trusted and distance <= 0.3 * previous):
            H = None  # the model has gone stale
            continue
        trial = _search(problem, point, direction, landing, distance, last_pass)
        if trial is None:
            if fresh and reliable and distance <= 1e3 * floor:
                converged = True
                break
            if not fresh:
                H = None
            elif damping > MOST_DAMPING:
                break
            else:
                damping = max(10 * damping, LEAST_DAMPING)
            continue
        damping = 0.1 * damping if damping > LEAST_DAMPING else 0.0
        gain = point.value - trial.value
        error = abs(gain - distance) - 1e3 * eps * abs(point.value)
        # Where classes are separated F falls like an exponential: each step takes
        # 1.3 times what the model says and leaves twice as much, for ever.
        small = 10 * distance <= goal(trial.value)
        trusted = error <= (1.0 if small else 0.2) * distance
        point, previous, fresh = trial, distance, False
        if not trusted:
            H = None
        if progress is not None:
            reach = max(null.value - point.value, floor)
            progress(problem.n_evaluations - first_pass, point.value, distance / reach)
    return Result(
        theta=point.theta,
        value=point.value,
        n_iter=max(problem.n_evaluations - first_pass, 1),
        optimality=_optimality(distance, null.value - point.value, floor),
        gradient_norm=float(_violation(problem, point).max()),
        converged=bool(converged),
        leftover=replace(leftover, point=_with_penalty(problem, point, -1)),
    )


def _composite(problem, theta):
    """A point whose value has the non-smooth part of the penalty too."""
    point = _evaluate(problem, theta)
    point.value += problem.penalty.value(theta[:, :-1])
    return point


def _violation(problem, point):
    """KKT violation of the coefficients and the intercepts, (K, d + 1)."""
    W, G = point.theta[:, :-1], point.gradient
    return np.column_stack([problem.penalty.violation(W, G[:, :-1]), np.abs(G[:, -1])])


def _choose(problem, point, frame, working):
    """The coefficients of the next working set, and whether it has all violators."""
    W = point.theta[:, :-1]
    centred = point.gradient[:, :-1] - point.gradient[:, -1:] * frame.centre
    violation = problem.penalty.violation(W, centred) * frame.scale
    moving = W != problem.penalty.feasible(
        np.broadcast_to(problem.penalty.prior, W.shape)
    )
    moving &= (W > problem.penalty.lower) & (W < problem.penalty.upper)
    if problem.penalty.grouped:
        moving |= moving.any(axis=0)
    violating = (violation > 0) & ~moving
    if working is not None:
        # what was let in stays while it is not far from moving
        violating &= ~working.chosen
    room = max(LEAST_WORKING_SET, 2 * moving.sum()) - moving.sum()
    room = min(room, MOST_WORKING_SET - moving.sum())
    complete = violating.sum() <= max(room, 0)
    if not complete:
        order = np.argsort(-np.where(violating, violation, 0), axis=None)
        keep = np.zeros(W.size, dtype=bool)
        keep[order[: max(room, 0)]] = True
        violating &= keep.reshape(W.shape)
    if problem.penalty.grouped:
        violating |= violating.any(axis=0)
    return moving | violating, complete


def _search(problem, point, direction, landing, gain, last_pass):
    """The first point along the direction that keeps part of the model's promise."""
    length = 1.0
    while problem.n_evaluations < last_pass and length > 0.01:
        theta = point.theta + length * direction
        if length == 1.0:
            theta[:, :-1] = landing
        theta[:, :-1] = problem.penalty.feasible(theta[:, :-1])
        trial = _composite(problem, theta)
        if trial.value <= point.value - 0.01 * length * gain:
            return trial
        length *= 0.3
    return None
