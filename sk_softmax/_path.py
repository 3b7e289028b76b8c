"""softmax_path: fits at many C, each starting at the optimum of the one before.

Neighbouring problems differ in the strength of the penalty alone, so that their optima
are near each other. A path begins at the strongest penalty.
"""

import warnings
from contextlib import closing
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._arguments import refuse_absent, require_y, solver_options
from ._array_api import refuse
from ._classifier import SoftmaxClassifier
from ._cost import ON_PATH, preference
from ._encode import problem_for, validated
from ._grid import at, check_Cs
from ._intercepts import with_intercepts
from ._next_steps import next_step, separation
from ._parameters import check_parameters
from ._progress import begin_fit, set_callbacks, with_callbacks
from ._row_space import row_space
from ._separation import separated
from ._solver import descend, solve


@dataclass(frozen=True, eq=False)
class SoftmaxPath:
    """What `softmax_path` returns.

    Attributes
    ----------
    Cs : ndarray of shape (n_Cs,)
        Ascending: from the strongest penalty to the weakest.
    coefs : ndarray of shape (n_Cs, n_classes, n_features)
        Coefficients in the dtype of X; n_classes is 1 for two classes.
    intercepts : ndarray of shape (n_Cs, n_classes)
    deviance_explained : ndarray of shape (n_Cs,)
        1 - loss / (loss of the best model without features). Soft labels have a loss
        that no model explains, their own entropy.
    optimality : ndarray of shape (n_Cs,)
        Estimated relative suboptimality, see `tol` of `SoftmaxClassifier`.
    n_iter : ndarray of shape (n_Cs,)
        Passes over the data.
    converged : ndarray of shape (n_Cs,), bool
    classes : ndarray of labels
    feature_names : ndarray of str, or None
        Of X, where it has names.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_softmax import softmax_path
    >>> path = softmax_path(*load_iris(return_X_y=True), Cs=[0.1, 1.0, 10.0])
    >>> path.coefs.shape, path.intercepts.shape
    ((3, 3, 4), (3, 3))
    """

    Cs: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    deviance_explained: np.ndarray
    optimality: np.ndarray
    n_iter: np.ndarray
    converged: np.ndarray
    classes: np.ndarray
    feature_names: np.ndarray | None = None


def softmax_path(
    X,
    y,
    *,
    Cs=100,
    eps=1e-3,
    sample_weight=None,
    offset=None,
    callbacks=(),
    **options,
):
    """Softmax regression at many C, each fit starting at the last one's optimum.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels or soft labels, as in `SoftmaxClassifier.fit`.
    Cs : int or array-like of shape (n_Cs,), default=100
        Inverse strengths of the penalty, or how many to take. These are evenly
        spaced on a log scale. With an l1 term they start at the greatest C at
        which all penalised coefficients are zero and go up by 1 / `eps`, times the
        ratio of the greatest feature's spread to the median feature's. The l2
        penalty has no such C: they start where the penalty's curvature is 10 times
        that of the loss in the feature with the greatest, and end where it is
        `eps` / 10 times that in the median feature.
    eps : float, default=1e-3
        In (0, 1).
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, at least 0; None is one each.
    offset : array-like of shape (n_samples, n_classes) or (n_samples,), default=None
        Added to the logits, as in `SoftmaxClassifier.fit`.
    callbacks : sequence of scikit-learn's callbacks, default=()
        Such as ``sklearn.callback.ProgressBar()``, from scikit-learn 1.9 on. Each C is
        a task; where one asks to stop, the path ends there, with as many Cs.
    **options
        Parameters of `SoftmaxClassifier`, but for C and warm_start.

    Returns
    -------
    path : SoftmaxPath
        With ``Cs``, ``coefs``, ``intercepts``, ``deviance_explained``,
        ``optimality``, ``n_iter``, ``converged``, ``classes`` and ``feature_names``.

    Raises
    ------
    ValueError
        As `SoftmaxClassifier.fit`, or Cs or eps are out of range, or callbacks are
        given to an older scikit-learn.
    TypeError
        A parameter has a wrong type, or a name that no parameter has.

    Warns
    -----
    ConvergenceWarning
        Once for the path: some of its fits did not reach `tol`; or X separates classes
        that nothing penalises at the greatest C, so that the optimum is at infinity.

    See Also
    --------
    SoftmaxClassifierCV : Chooses C by cross-validation.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_softmax import softmax_path
    >>> X, y = load_iris(return_X_y=True)
    >>> path = softmax_path(X, y, Cs=5, l1_ratio=1.0)
    >>> (path.coefs != 0).sum(axis=(1, 2))
    array([0, 2, 3, 6, 6])
    >>> path.deviance_explained.round(2)
    array([0.  , 0.64, 0.88, 0.95, 0.96])
    """
    if {"C", "warm_start"} & set(options):
        raise TypeError(
            "softmax_path takes neither C nor warm_start: pass Cs, whose fits always "
            "start at the one before."
        )
    unknown = options.keys() - SoftmaxClassifier().get_params().keys()
    if unknown:
        raise TypeError(
            f"softmax_path() takes no {min(unknown)!r}: pass Cs, one l1_ratio, and "
            "other parameters of SoftmaxClassifier."
        )
    classifier = SoftmaxClassifier(**options)
    set_callbacks(classifier, callbacks)
    path, apart = _fit_path(classifier, X, y, Cs, eps, sample_weight, offset)
    _warn_of(path, path.classes[apart].tolist(), classifier)
    return path


def _warn_of(path, apart, classifier):
    """Warn at most once for the whole path, and say what to do next."""
    messages = []
    bad = np.flatnonzero(~path.converged)
    if len(bad):
        messages.append(
            f"softmax_path: {len(bad)} of {len(path.Cs)} fits did not converge, the "
            f"first at C={path.Cs[bad[0]]:.4g}, the worst with an estimated relative "
            f"suboptimality of {path.optimality[bad].max():.1e} "
            f"(tol={classifier.tol:g}). "
            + next_step(classifier.max_iter, path.n_iter[bad].max())
        )
    if len(apart):
        messages.append(separation(apart, path.Cs[-1], path.optimality[-1]))
    if messages:
        warnings.warn(" ".join(messages), ConvergenceWarning, stacklevel=3)


@with_callbacks
def _fit_path(classifier, X, y, Cs, eps, sample_weight, offset):
    problem, classes = base_problem(classifier, X, y, sample_weight, offset)
    coefs, intercepts, fits = [], [], []
    with closing(problem), problem.rows.threads():
        Cs = check_Cs(Cs, eps, problem, [classifier.l1_ratio])
        refuse_infinite(problem, Cs, classes)
        null = log_loss(problem, with_intercepts(problem, 0.0))
        task = begin_fit(classifier, X, y, sample_weight, n_subtasks=len(Cs))
        results = solve_path(
            problem, Cs, classifier.l1_ratio, **solver_options(classifier)
        )
        for i, C in enumerate(Cs):
            leaf = task.subtask("C")
            result = next(results)
            # rounding may put the first fit a hair below 0, which would print as -0.0
            explained = round(1 - result.leftover.point.value / null, 14) + 0.0
            fitted = classifier._fitted(result.theta, classes, problem.rows.dtype)
            coefs.append(fitted["coef_"])
            intercepts.append(fitted["intercept_"])
            fits.append((explained, result.optimality, result.n_iter, result.converged))
            if classifier.verbose:
                print(
                    f"softmax_path: C {i + 1}/{len(Cs)} = {C:.4g}, "
                    f"{result.n_iter} passes, deviance explained {explained:.4f}"
                )
            if leaf.end(fitted):
                break
        task.end(fitted)
        apart = separated(at(problem, C, classifier.l1_ratio), result.theta)
    explained, optimality, n_iter, converged = map(np.array, zip(*fits, strict=True))
    path = SoftmaxPath(
        Cs=Cs[: len(fits)],
        coefs=np.array(coefs),
        intercepts=np.array(intercepts),
        deviance_explained=explained,
        optimality=optimality,
        n_iter=n_iter.astype(np.int32),
        converged=converged,
        classes=classes,
        feature_names=getattr(classifier, "feature_names_in_", None),
    )
    return path, apart


def base_problem(classifier, X, y, sample_weight, offset):
    """The problem at C = 1 and l1 ratio 1, and the classes.

    `at` gives it at any other C and l1 ratio. Ratio 1, since a Penalty without an l1
    term forgets that it is grouped.
    """
    check_parameters(classifier)
    require_y(y, classifier)
    refuse(
        X,
        "a path of C",
        "use GridSearchCV(SoftmaxClassifier(), {'C': ...}), or pass NumPy arrays",
    )
    X = validated(classifier, X, y, sample_weight, offset)
    lasso = copy(classifier)
    lasso.l1_ratio = 1.0
    return problem_for(lasso, X, y, sample_weight, offset)


def solve_path(problem, Cs, l1_ratio, **options):
    """Yield the Result at each of the Cs, which ascend.

    Parameters
    ----------
    problem : Problem
        As `base_problem` gives it.
    Cs : iterable of float
    l1_ratio : float
    **options
        Of `solve`.
    """
    start = leftover = None
    optima = []
    base = at(problem, 1.0, l1_ratio)
    space = row_space(base)
    wanted = options.pop("kinds")
    kinds = wanted or preference(space.problem if space else base, ON_PATH)
    for C in Cs:
        whole = at(problem, C, l1_ratio)
        if space is not None and C < np.inf:
            inner = at(space.problem, C, 0.0)
            result = descend(inner, leftover=leftover, kinds=kinds, **options)
            lifted = space.lift_result(result, whole, options["tol"])
            if lifted is not None:
                leftover = result.leftover
                yield _light(lifted)
                continue
        if space is not None:  # too inexact in there, or no penalty: use all features
            start = None if leftover is None else space.lift(leftover.point.theta)
            leftover = space = None
            kinds = wanted or preference(base, ON_PATH)
        if leftover is not None:
            start = _extrapolate(optima, np.log(C))
        result = solve(whole, start, leftover=leftover, kinds=kinds, **options)
        leftover = result.leftover
        if whole.penalty.is_smooth:
            optima = [*optima[-2:], (np.log(C), _refined(result, whole))]
        yield _light(result)


def _refined(result, problem):
    """The result after one more step of the coordinates, which costs no pass.

    Extrapolation multiplies the distances of its points from their optima.
    """
    coordinates, point = result.leftover.coordinates, result.leftover.point
    if coordinates is None:
        return result.theta
    gradient = point.gradient.copy()  # of the loss alone
    gradient[:, :-1] += problem.penalty.value_gradient(point.theta[:, :-1])[1]
    return point.theta - coordinates.step(coordinates.gradient(gradient))


def _extrapolate(optima, t):
    """A guess of theta at log C = t: by a parabola or, where steps are long, a line.

    Over long steps a parabola goes astray. At large C most classes are separated, and
    their coefficients grow linearly in log C.
    """
    near = len(optima) == 3 and t - optima[-1][0] < 0.7
    optima = optima if near else optima[-2:]
    times = np.array([time for time, _ in optima])
    if len(optima) < 2 or not t < np.inf or np.abs(np.diff(times)).min() < 1e-8:
        return None
    theta = 0
    for i, (time, optimum) in enumerate(optima):  # Lagrange's polynomial
        others = np.delete(times, i)
        theta = theta + np.prod((t - others) / (time - others)) * optimum
    return theta


def _light(result):
    """The result without what it leaves to the next fit, which takes much memory."""
    light = replace(result.leftover, coordinates=None, working=None)
    return replace(result, leftover=light)


def log_loss(problem, theta):
    """Mean cross-entropy over the rows, without the penalty."""
    (total,) = problem.sum(_loss, (theta,), problem.pass_flops / 2)
    return float(total) / problem.total_weight


def _loss(problem, rows, X, theta):
    Z = problem.logits(rows, X, theta)
    return (problem.loss.residual(Z, problem.target[rows], problem.weights(rows))[0],)


def refuse_infinite(problem, Cs, classes):
    """Raise where C=inf would send the logits of a class without rows to infinity."""
    if np.isinf(Cs).any():
        refuse_absent(classes[problem.absent()], "y (or from a fold)")
