"""The folds of cross-validation: which they are, and their paths."""

import numbers
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import (
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed

from . import _arguments as arguments
from ._arguments import is_soft
from ._blas import single_threaded_blas
from ._classifier import SoftmaxClassifier
from ._dask import DaskProblem
from ._grid import at
from ._leave_one_out import leave_one_out_loss, refuse_separated
from ._parameters import is_loo
from ._path import refuse_infinite, solve_path
from ._progress import fit_data
from ._scores import check_weighted, log_score, named_score
from ._separable_model import quiet


@dataclass
class Search:
    """The grid of a search and what all of its fits share.

    Attributes
    ----------
    Cs, l1_ratios : ndarrays
    options : dict
        Of `solve`.
    classes : ndarray
    verbose : bool
    n_splits : int
        Number of folds.
    n_Cs, n_folds : int
        How many are still to be fitted: fewer once a callback asks to stop.
    """

    Cs: np.ndarray
    l1_ratios: np.ndarray
    options: dict
    classes: np.ndarray
    verbose: bool
    n_splits: int

    def __post_init__(self):
        self.n_Cs, self.n_folds = len(self.Cs), self.n_splits

    def fit(self, problem, judge, name, task):
        """Fit the paths of a problem, one for each l1 ratio.

        Returns
        -------
        paths : list by l1 ratio of lists by C
            Of tuples (theta, score, n_iter, optimality, converged); the score is what
            ``judge(theta, C)`` returns.
        last : bool
            Whether a callback asked to skip the folds after this one.
        """
        paths = []
        for r, l1_ratio in enumerate(self.l1_ratios):
            path = []
            paths.append(path)
            results = solve_path(problem, self.Cs, l1_ratio, **self.options)
            for c in range(len(self.Cs)):
                if c >= self.n_Cs:
                    break
                leaf = task.subtask("C")
                result = next(results)
                score = judge(result.theta, self.Cs[c])
                self.report(name, (r, c), result, score)
                n_iter = np.int32(result.n_iter)
                end = result.optimality, result.converged
                path.append((result.theta, score, n_iter, *end))
                fitted = partial(self.attributes, problem, result.theta)
                if leaf.end(fitted):
                    self.n_Cs = min(self.n_Cs, c + 1)
        return paths, task.end(fitted)

    def attributes(self, problem, theta):
        """The fitted attributes at theta, see `Task.end`."""
        fitted = SoftmaxClassifier._fitted(theta, self.classes, problem.rows.dtype)
        return fitted | {"n_features_in_": problem.rows.shape[1]}

    def gather(self, outcomes):
        """What `fit` put together for each fit, as arrays by fold, l1 ratio and C.

        A C that some fold skipped, since a callback asked to stop, is left out of all.
        """
        folds = []
        for paths, last in outcomes:
            folds.append(paths)
            if last:
                break
        n_Cs = min(len(path) for paths in folds for path in paths)
        self.Cs = self.Cs[:n_Cs]
        shape = len(folds), len(self.l1_ratios), n_Cs
        fits = [fit for paths in folds for path in paths for fit in path[:n_Cs]]
        fields = map(np.array, zip(*fits, strict=True))
        return (field.reshape(*shape, *field.shape[1:]) for field in fields)

    def leave_one_out(self, problem, judged, task):
        """What `fit` returns, scored by approximate leave-one-out: pairs (mean, se)."""
        weight = judged.weights(slice(None)).astype(np.float64)

        def judge(theta, C):
            at_C = at(problem, C, 0.0)
            refuse_separated(at_C, theta, C, self.classes)
            losses = leave_one_out_loss(at_C, theta, judged.target)
            mean = np.average(losses, weights=weight)
            se = np.linalg.norm(weight * (losses - mean)) / weight.sum()
            return -mean, se

        task = self.begin_paths(task, "path", 0)
        with problem.rows.threads():
            return self.fit(problem, judge, "", task)

    def begin_paths(self, task, name, number, data=None):
        """Begin the subtask that has the fits at all l1 ratios and Cs."""
        n_fits = len(self.Cs) * len(self.l1_ratios)
        return task.subtask(name, number=number, n_subtasks=n_fits, data=data)

    def report(self, name, position, result, score=None):
        """Print a line about a fit, if verbose."""
        if not self.verbose:
            return
        r, c = position
        ratio = f"l1_ratio {self.l1_ratios[r]:g}, " if len(self.l1_ratios) > 1 else ""
        score = "" if score is None else f", score {np.ravel(score)[0]:.5g}"
        print(
            f"SoftmaxClassifierCV: {name}{ratio}C {c + 1}/{len(self.Cs)} = "
            f"{self.Cs[c]:.4g}, {result.n_iter} passes{score}"
        )


def fit_folds(search, problem, judged, folds, scorer, task, n_jobs):
    """What `Search.fit` returns for each fold, `n_jobs` folds at a time.

    Warns if a fold was scored on classes of which its fit had no row.

    Parameters
    ----------
    search : Search
    problem, judged : Problem
        All rows as they are fitted, and as they are scored (without class_weight).
    folds : list of (train, test)
    scorer : tuple or None
        A scorer, and the labels and the scorer's parameters for all rows; None is the
        log-loss.
    task : Task
    n_jobs : int
    """
    jobs = (
        delayed(_fit_fold)(search, problem, judged, i, split, scorer, n_jobs > 1, task)
        for i, split in enumerate(folds)
    )
    with quiet():  # scikit-learn's Parallel passes these filters on to its tasks
        done = Parallel(n_jobs, prefer="threads", pre_dispatch="n_jobs")(jobs)
    outcomes, unseen = zip(*done, strict=True)
    unseen = np.any(unseen, axis=0)
    if unseen.any():
        warnings.warn(
            f"Classes {search.classes[unseen].tolist()} have no row in the training "
            "part of a fold that is scored on them. Stratify or shuffle (cv=5 is "
            "stratified), where folds follow time begin later, or leave out classes of "
            "so few rows.",
            stacklevel=7,
        )
    return outcomes


def _fit_fold(search, problem, judged, i, split, scorer, single, task):
    """What `Search.fit` returns for fold i, and the classes its fit never saw.

    `single` is whether it has one thread, as folds that are fitted in parallel do.
    """
    if i >= search.n_folds:
        return None, np.zeros(len(search.classes), dtype=bool)
    name = f"fold {i + 1}/{search.n_splits}, "
    train, test = split
    rest, held = problem.take(train), judged.take(test)
    if not held.total_weight > 0 or not rest.total_weight > 0:
        raise ValueError(
            f"{name}its train or its test part has no row of positive sample_weight: "
            "change cv, or leave rows of weight zero out."
        )
    refuse_infinite(rest, search.Cs, search.classes)
    judge = log_score(held)
    if scorer is not None:
        judge = named_score(scorer, problem.rows.X, test, held, search.classes)
    task = search.begin_paths(task, "fold", i, _some_data(task, train))
    with single_threaded_blas if single else rest.rows.threads():
        paths, last = search.fit(rest, judge, name, task)
    if last:
        search.n_folds = min(search.n_folds, i + 1)
    unseen = rest.absent() & ~problem.absent() & ~held.absent()
    return (paths, last), unseen


def _some_data(task, index):
    """The task's data, for the callbacks' hooks, of some of the rows."""
    if not task.followed:
        return None
    X, y, metadata = (task.data[name] for name in ("X", "y", "metadata"))
    if X is None:  # DaskRows have none
        return None
    weight = metadata and np.asarray(metadata["sample_weight"])[index]
    return fit_data(X[index], y[index], weight)


def without_class_weight(problem, classifier, y, sample_weight):
    """The problem for the scores, which class_weight does not weight."""
    if isinstance(problem, DaskProblem):
        raise ValueError(
            f"class_weight={classifier.class_weight!r}: the folds of a dask X are "
            "scored by the weights of the fit, so put the class weights into "
            "sample_weight."
        )
    dtype = problem.rows.dtype
    classes, target, mass = arguments.targets(y, classifier.classes, dtype)
    weight = arguments.row_weights(sample_weight, None, classes, target, mass, dtype)
    return problem.replaced(target=target, weight=weight)


def splits(estimator, problem, classes, y, sample_weight, params):
    """Labels, splits (train, test), and parameters of the scorer.

    Leave-one-out is a single split, None.
    """
    if isinstance(problem, DaskProblem):
        return None, _folds_of_chunks(problem, estimator, params), {}
    if is_soft(y) and isinstance(estimator.scoring, str):
        raise ValueError(
            f"scoring={estimator.scoring!r} compares predictions with labels, but y "
            "holds soft labels: use scoring=None, which is the log-loss, or a callable "
            "(estimator, X, y)."
        )
    if is_soft(y):
        labels = arguments.in_class_order(y, estimator.classes)
    else:
        labels = classes[problem.target]
    if is_loo(estimator):
        if given := sorted(name for name in params if params[name] is not None):
            raise ValueError(
                f"cv='approximate-loo' leaves out single rows and takes no {given}: "
                "for groups pass a splitter as cv."
            )
        return labels, [None], {}
    split_params, score_params = _routed(estimator, sample_weight, params)
    cv = estimator.cv
    if cv is None:  # scikit-learn refuses more folds than the largest class has rows
        most = len(labels) if is_soft(y) else np.bincount(problem.target).max()
        if most < 2:
            raise ValueError(
                f"y has one row{'' if is_soft(y) else ' of each class'}, which can't "
                "be both fitted and held out: more rows are needed to choose C, or "
                "pass a splitter as cv."
            )
        cv = min(int(most), 5)
    cv = check_cv(cv, labels, classifier=True)
    parts = cv.split(problem.rows.X, labels, **split_params)
    folds = [_row_numbers(split, len(labels)) for split in parts]
    if not folds:
        raise ValueError(
            f"cv={estimator.cv!r} gives no splits: pass an int or a splitter."
        )
    if len(folds) == 1 and estimator.selection == "1se":
        raise ValueError(
            "selection='1se' needs a standard error, and cv has one split: use more of "
            "them, or selection='best'."
        )
    return labels, folds, score_params


def _routed(estimator, sample_weight, params):
    """Parameters of the splitter and of the scorer."""
    if _routing_enabled():
        if estimator.scoring is not None:  # else `judged` has the weights already
            params = params | {"sample_weight": arguments.drop_if_scalar(sample_weight)}
        routed = process_routing(estimator, "fit", **params)
        return routed.splitter.split, routed.scorer.score
    split_params = {k: params.pop(k) for k in ("groups",) if k in params}
    _raise_for_params(params, estimator, "fit")
    if arguments.drop_if_scalar(sample_weight) is None:
        return split_params, {}
    check_weighted(estimator.scoring)
    return split_params, {"sample_weight": sample_weight}


def _row_numbers(split, n):
    """The rows of a split's train and test part, which may be masks."""
    rows, parts = np.arange(n), []
    try:
        for part in split:
            index = rows[part] if isinstance(part, slice) else np.asarray(part)
            parts.append(rows[index if index.size else []])
        if [part.ndim for part in parts] != [1, 1]:
            raise IndexError("there are not two, or one is not one-dimensional")
        return parts
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(
            "cv must give pairs of a train and a test part, each an array of row "
            f"numbers below {n} or a mask of {n} bools: {error}."
        ) from error


def _folds_of_chunks(problem, estimator, params):
    """Contiguous folds of dask's X."""
    cv, scoring = estimator.cv, estimator.scoring
    n_folds = 5 if cv is None else cv
    if not isinstance(n_folds, numbers.Integral) or n_folds < 2:
        raise ValueError(
            f"cv={cv!r}: for a dask X it must be a number of folds, at least 2, which "
            "are contiguous. If X fits in memory, pass X.compute()."
        )
    if scoring is not None or params:
        raise ValueError(
            f"scoring={scoring!r} and parameters {sorted(params)}: for a dask X use "
            "scoring=None, which is the log-loss, and no such parameters. If X fits in "
            "memory, pass X.compute()."
        )
    return problem.folds(n_folds)
