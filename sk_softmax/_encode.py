"""From an estimator and its data to the mathematical problem."""

import numpy as np

from . import _arguments as arguments
from . import _coef_options as coef_options
from ._array_api import dense, follow, refuse, to_numpy
from ._array_rows import rows_of
from ._chunks import is_dask, refuse_dask, validate
from ._dask import dask_problem
from ._loss import loss_of
from ._penalty import Penalty
from ._predictor import checked, read
from ._problem import Problem
from ._rows import working_dtype


def validated(classifier, X, y, sample_weight, offset):
    """X, checked; entries of a memory map or of dask's chunks are checked later."""
    if is_dask(X):
        validate(classifier, X)
        return X
    refuse_dask(y=y, sample_weight=sample_weight, offset=offset)
    return read(classifier, X)


def validated_batch(classifier, X, y, sample_weight, reset):
    """X as `partial_fit` reads it, checked."""
    refuse(X, "partial_fit", "pass NumPy arrays, or fit all rows at once")
    if is_dask(X):
        raise ValueError(
            "X is a dask collection: pass it to fit, or pass its chunks to partial_fit "
            "one after the other, as X.partitions[i].compute()."
        )
    refuse_dask(y=y, sample_weight=sample_weight)
    X = checked(classifier, X, reset=reset)
    arguments.check_length(X, y)
    return X


def problem_for(classifier, X, y, sample_weight, offset):
    """The mathematical problem for X, already validated, and the classes."""
    if is_dask(X):
        problem, classes = dask_problem(classifier, X, y, sample_weight, offset)
    else:
        problem, classes = _in_memory(classifier, X, y, sample_weight, offset)
    try:
        problem.penalty = penalty_of(classifier, problem, classes)
        if problem.penalty.strength == 0:
            arguments.refuse_absent(classes[problem.absent()])
    except BaseException:
        problem.close()
        raise
    return problem, classes


def _in_memory(classifier, X, y, sample_weight, offset):
    dtype = working_dtype(X)
    arguments.check_length(X, y)
    y, sample_weight, offset = follow(X, y, sample_weight, offset)
    classes, target, mass = arguments.targets(y, classifier.classes, dtype)
    target, mass = follow(X, target, mass)
    weight = arguments.row_weights(
        sample_weight, classifier.class_weight, classes, target, mass, dtype
    )
    loss = loss_of(len(classes))
    offset = arguments.offsets(offset, X.shape[0], classes, dtype)
    offset = follow(X, arguments.drop_if_common(offset))
    rows = rows_of(X, loss.n_outputs, type(classifier).__name__)
    intercept = bool(classifier.fit_intercept)
    return Problem(rows, loss, target, weight, None, intercept, offset), classes


def penalty_of(classifier, problem, classes):
    """The penalty that the parameters ask for."""
    shape = problem.shape[0], problem.shape[1] - 1
    names = getattr(classifier, "feature_names_in_", None)
    grouped = classifier.penalty_group == "class"
    return Penalty(
        1 / (float(classifier.C) * float(problem.total_weight)),
        shape,
        l1_ratio=classifier.l1_ratio,
        factor=coef_options.penalty_factors(
            classifier.penalty_factor, shape, names, classes, grouped
        ),
        prior=coef_options.prior_mean(classifier.coef_prior, shape, classes, names),
        bounds=coef_options.bounds(classifier.bounds, shape, names, classes),
        grouped=grouped,
    )


def warm_point(classifier, problem, classes):
    """The last fit as a starting point, or None."""
    matches = (
        classifier.warm_start
        and hasattr(classifier, "coef_")
        and np.array_equal(to_numpy(classifier.classes_), classes)
        and classifier.coef_.shape == (problem.shape[0], problem.shape[1] - 1)
    )
    if not matches:
        return None
    coef, intercept = to_numpy(classifier.coef_), to_numpy(classifier.intercept_)
    coef = dense(coef)
    intercept = intercept if classifier.fit_intercept else np.zeros(len(coef))
    theta = np.column_stack([coef, intercept]).astype(np.float64)
    return problem.centred(theta)
