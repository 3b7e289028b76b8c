r"""What is kept of rows that pass by once: partial_fit.

Of the rows seen the last ones are kept. The others stand in the objective as the
second-order expansion of their loss at the point where they were let go,

.. math::

    F(\theta) = \frac{1}{S} \Bigl[ c + g^T \delta + \tfrac12 \delta^T H \delta
    + \sum_{i\ kept} s_i \ell(t_i, W x_i + b) \Bigr] + penalty(W),
    \qquad \delta = \theta - \theta_0.

That is the Laplace approximation of their likelihood. It is exact while all rows
are kept, and the better the nearer :math:`\theta_0` was to where the stream ends.
The penalty is never part of it, so that its strength 1 / (C S) is always that of
all rows seen. While a class has not been seen, half a row of it is imagined.

New rows take one of two ways:

- a *step* minimises their own loss plus the expansion of everything before,
  in coordinates where that expansion is a unit ball: it costs N^2, not the kept
  rows;
- once an eighth of what was seen is new, where the kept rows exceed the capacity, or
  where a step does not converge, all kept rows are *revisited*: the objective is
  minimised as in a fit, and they are expanded anew. If they exceed the capacity, all
  are then let go.

The state is three matrices of the size of H (past, all, coordinates), and kept rows
of as many numbers as one, or 1 MB.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from . import _arguments as arguments
from ._array_api import class_masses
from ._coef_options import penalty_factors
from ._coordinates import build
from ._expansion import (
    Continued,
    Expansion,
    HessianCurvature,
    KroneckerCurvature,
    build_continued,
    loss_alone,
)
from ._frame import Frame
from ._loss import loss_of, null_value
from ._optimum import Leftover, null_point
from ._penalty import Penalty
from ._problem import Problem
from ._rows import Rows
from ._solver import descend, refine, solve

# The whole Hessian up to this many parameters: 8 MB at the most.
MOST_PARAMETERS = 1024
# Memory of each of the three matrices that are kept, at most: 2 GB.
MOST_BYTES = 2**31
# Kept rows have as many entries as H, and at least these: 1 MB.
LEAST_CAPACITY = 2**17
# Kept rows are revisited once this part of the weight seen is new.
NEW_PART = 1 / 8
# Evaluations in a step, at most; where they are not enough the rows are revisited.
STEP_PASSES = 50


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows with their targets, (m,) codes or (m, K) distributions, and weights."""

    X: object
    target: np.ndarray
    weight: np.ndarray

    @property
    def entries(self):
        """How many numbers X holds."""
        return self.X.nnz if sparse.issparse(self.X) else self.X.size

    def copied(self):
        """The batch with an X of its own, in float64.

        The errors of a stream's steps add up: in float32, those of a feature far from
        zero would be larger than the steps.
        """
        weight = self.weight.astype(np.float64)
        return replace(self, X=self.X.astype(np.float64), weight=weight)


@dataclass(frozen=True, eq=False)
class Stream:
    """What is kept of a stream.

    Attributes
    ----------
    classes : ndarray of shape (K,)
    class_order : array-like of shape (K,)
        The same, as first passed: the order of soft labels' columns.
    fit_intercept : bool
    kind : type
        Of the curvature.
    capacity : int
        Entries that kept rows may have.
    weight : float
        S, the weight of all rows seen.
    mass : ndarray of shape (K,)
        The weight of each class.
    new_weight : float
        The part of S that came since kept rows were last revisited.
    kept : tuple of Batch
    entries : int
        Of the kept rows.
    past : Expansion or None
        Of the rows that are not kept, at the point where they were let go.
    seen : Expansion
        Of all rows, at the stream's current point.
    coordinates : Hessian or Kronecker
        In which `seen` is near the identity.
    """

    classes: np.ndarray
    class_order: np.ndarray
    fit_intercept: bool
    kind: type
    capacity: int
    weight: float
    mass: np.ndarray
    new_weight: float
    kept: tuple
    entries: int
    past: Expansion | None = None
    seen: Expansion | None = None
    coordinates: object = None


def _class_order(stream, classes, classifier):
    """All labels, in the order of soft labels' columns: as passed now, or before."""
    known = classifier.classes if stream is None else stream.class_order
    order = classifier.classes if classes is None else classes
    if order is None:
        order = getattr(classifier, "classes_", None) if known is None else known
    if order is None:
        raise ValueError(
            "classes must be passed on the first call to partial_fit, or to the "
            "constructor."
        )
    if known is not None and not np.array_equal(np.unique(order), np.unique(known)):
        raise ValueError(
            f"classes={np.unique(order).tolist()} are not those of "
            f"{'the constructor' if stream is None else 'the first call'}: "
            f"{np.unique(known).tolist()}."
        )
    return order


def _batch_of(classifier, X, y, classes, sample_weight):
    """The labels, and validated X with its targets and weights as a Batch."""
    dtype = X.dtype
    classes, target, mass = arguments.targets(y, classes, dtype)
    weight = arguments.part_weights(
        sample_weight, classifier.class_weight, classes, target, mass, dtype
    )
    weight = np.ones(X.shape[0], dtype) if weight is None else weight
    return classes, Batch(X, target, weight)


def partial_fit(classifier, stream, X, y, classes, sample_weight):
    """The stream after a batch, and the solver's result.

    Parameters
    ----------
    classifier : SoftmaxClassifier
        With valid parameters.
    stream : Stream or None
        None at the first batch.
    X : validated ndarray or CSR
    y, classes, sample_weight : as given

    Returns
    -------
    stream : Stream
    result : Result, or None where no row of the batch has a weight
    """
    intercept = bool(classifier.fit_intercept)
    if stream is not None and stream.fit_intercept != intercept:
        raise ValueError(
            f"fit_intercept={intercept} is not that of the first call to partial_fit. "
            "Start a new stream, with a clone of the estimator."
        )
    order = _class_order(stream, classes, classifier)
    classes, batch = _batch_of(classifier, X, y, order, sample_weight)
    if not batch.weight.any():
        if stream is None:
            raise ValueError(
                "sample_weight is zero for every row of the first batch, or "
                "class_weight makes it so: start the stream with rows that have one."
            )
        return stream, None
    loss = loss_of(len(classes))
    shape = loss.n_outputs, X.shape[1]
    factor = _factor(classifier, stream, shape, classes)

    def model(batch, total_weight):
        penalty = Penalty(
            1 / (float(classifier.C) * total_weight), shape, factor=factor
        )
        rows = Rows(batch.X, loss.n_outputs)
        return Problem(rows, loss, batch.target, batch.weight, penalty, intercept)

    options = arguments.solver_options(classifier)
    if stream is None:
        stream = _start(batch, classes, order, intercept, options["kinds"])
    return _advance(stream, batch, options, model)


def _factor(classifier, stream, shape, classes):
    """The penalty factors: finite, and by class or not as at the first call."""
    names = getattr(classifier, "feature_names_in_", None)
    given = classifier.penalty_factor
    factor = penalty_factors(given, shape, names, classes, grouped=False)
    if np.isinf(factor).any():
        raise ValueError(
            "penalty_factor is infinite: partial_fit cannot hold a coefficient where "
            "it is. Leave the feature out of X, or use fit."
        )
    by_class = len(np.atleast_2d(factor)) > 1
    n_directions = shape[0] if by_class else max(shape[0] - 1, 1)
    if stream is not None and stream.seen.curvature.Q.shape[1] != n_directions:
        raise ValueError(
            "penalty_factor differs by class, and did not at the first call to "
            "partial_fit, or the other way round. Start a new stream, with a clone of "
            "the estimator."
        )
    return factor


def _advance(stream, batch, options, model):
    """The stream after another batch, and the solver's result.

    Parameters
    ----------
    stream : Stream
    batch : Batch
    options : dict
        tol, max_iter and kinds of the solver.
    model : callable
        From a Batch and S to its Problem.

    Returns
    -------
    stream : Stream
    result : Result
    """
    if batch.entries <= stream.capacity:  # otherwise its rows are let go in this call
        batch = batch.copied()
    before, weight = stream.weight, batch.weight.sum(dtype=np.float64)
    stream = replace(
        stream,
        weight=before + weight,
        mass=stream.mass + class_masses(batch.target, batch.weight, len(stream.mass)),
        new_weight=stream.new_weight + weight,
        kept=(*stream.kept, batch),
        entries=stream.entries + batch.entries,
    )
    if stream.new_weight < NEW_PART * before and stream.entries <= stream.capacity:
        stepped, result = _step(stream, batch, options, model)
        if result.converged:
            return stepped, result
    return _revisit(stream, options, model)


def _step(stream, batch, options, model):
    """Minimise the loss of a batch plus the expansion of everything before."""
    problem = Continued(model(batch, stream.weight), stream.seen, stream.weight)
    curvature = stream.seen.curvature
    with problem.rows.threads():
        result = refine(
            problem,
            stream.coordinates,
            tol=options["tol"],
            max_iter=min(STEP_PASSES, options["max_iter"]),
            leftover=_leftover(stream, problem, curvature.frame),
        )
        curvature += stream.kind.of(problem, result.theta, curvature.frame)
        seen = Expansion.at(problem, result.theta, curvature)
    return replace(stream, seen=seen), result


def _revisit(stream, options, model):
    """Minimise the objective over all kept rows, and expand them anew."""
    kept = _joined(stream.kept)
    absent = np.flatnonzero(stream.mass == 0)
    problem = model(kept, stream.weight)
    if stream.past is None and len(absent):  # otherwise the past includes them
        problem = model(_joined((kept, _imagined(kept, absent))), stream.weight)
    with problem.rows.threads():
        if stream.past is None:
            result = solve(problem, _warm_start(stream, problem), **options)
            frame = Frame(problem)
        else:
            problem = Continued(problem, stream.past, stream.weight)
            frame = stream.past.curvature.frame
            result = _descend(problem, stream, frame, options)
        curvature = stream.kind.of(problem, result.theta, frame)
        if stream.past is not None:
            curvature = stream.past.curvature + curvature

        def known(problem, theta, frame):
            return curvature.coordinates(problem)

        stream = replace(
            stream,
            new_weight=0.0,
            kept=(kept,),
            seen=Expansion.at(problem, result.theta, curvature),
            coordinates=build(problem, result.theta, frame, [known])[0],
        )
    if stream.entries > stream.capacity:
        stream = replace(stream, kept=(), entries=0, past=stream.seen)
    return stream, result


def _imagined(batch, absent):
    """Half a row of each absent class, at the mean of the rows.

    Without it such a class's optimum is at infinity, where the loss has no curvature:
    the expansion would forget that none of these rows was of that class.
    """
    mean = np.asarray(batch.X.mean(axis=0)).reshape(1, -1)
    X = np.repeat(mean.astype(batch.X.dtype), len(absent), axis=0)
    return Batch(X, absent, np.full(len(absent), 0.5, batch.weight.dtype))


def _warm_start(stream, problem):
    """The stream's point, if it is better than the null point; else None."""
    if stream.seen is None:
        return None
    theta = stream.seen.theta
    value, _ = problem.value_gradient(theta)
    return theta if value < null_value(stream.mass, problem.fit_intercept) else None


def _descend(problem, stream, frame, options):
    """The solver's result on kept rows and past, from the stream's point."""
    leftover = _leftover(stream, problem, frame)
    return descend(problem, **options | {"kinds": [build_continued]}, leftover=leftover)


def _leftover(stream, problem, frame):
    """The stream's point as what an earlier fit has left: to start there."""
    point = loss_alone(problem, stream.seen.theta)
    return Leftover(frame, [null_point(problem, stream.mass)], point)


def _start(batch, classes, order, fit_intercept, kinds):
    """A stream before its first rows."""
    q, d1 = max(len(classes) - 1, 1), batch.X.shape[1] + 1
    kind, size = KroneckerCurvature, q * q + d1 * d1
    wanted = "hessian" if q * d1 <= MOST_PARAMETERS else "kronecker"
    if kinds in (["hessian"], ["kronecker"]):
        (wanted,) = kinds
    if wanted == "hessian":
        kind, size = HessianCurvature, (q * d1) ** 2
    if 8 * size > MOST_BYTES:
        raise ValueError(
            f"X has {d1 - 1} features: partial_fit would keep three matrices of "
            f"{8 * size / 1e9:.1f} GB each. Use fewer features, "
            "such as those of HashingVectorizer(n_features=2**10), or fit."
        )
    capacity = max(size, LEAST_CAPACITY)
    mass = np.zeros(len(classes))
    return Stream(classes, order, fit_intercept, kind, capacity, 0.0, mass, 0.0, (), 0)


def _joined(batches):
    if len(batches) == 1:
        return batches[0]
    Xs = [batch.X for batch in batches]
    if any(sparse.issparse(X) for X in Xs):
        X = sparse.vstack(Xs, format="csr")
    else:
        X = np.concatenate(Xs)
    targets = [batch.target for batch in batches]
    width = max(target.shape[1] if target.ndim > 1 else 0 for target in targets)
    if width:
        targets = [t if t.ndim > 1 else np.eye(width)[t] for t in targets]
    weight = np.concatenate([batch.weight for batch in batches])
    return Batch(X, np.concatenate(targets), weight.astype(X.dtype, copy=False))
