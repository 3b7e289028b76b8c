"""SoftmaxClassifierCV: C by cross-validation, or by approximate leave-one-out."""

import warnings
from contextlib import closing
from functools import partial

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from . import _arguments as arguments
from ._chunks import is_dask, mean_score, refuse_dask
from ._classifier import SoftmaxClassifier
from ._folds import Search, fit_folds, splits, without_class_weight
from ._grid import at, check_Cs
from ._leave_one_out import check_left_out
from ._next_steps import next_step, separation
from ._parameters import check_choices, is_loo
from ._path import base_problem, refuse_infinite
from ._predictor import all_or_nothing
from ._progress import begin_fit, with_callbacks
from ._scores import score_by_name
from ._separation import separated
from ._solver import solve


class SoftmaxClassifierCV(SoftmaxClassifier):
    r"""Softmax regression that chooses C, and the l1 ratio, by cross-validation.

    In each fold a path of fits goes from the strongest penalty to the weakest, each
    starting at the last one's optimum.

    Parameters
    ----------
    Cs : int or array-like of shape (n_Cs,), default=10
        Inverse strengths of the penalty, or how many to take from the data, as in
        `softmax_path`. They are the same for all folds and l1 ratios.
    l1_ratios : array-like of shape (n_l1_ratios,), default=(0.0,)
        Fractions of the penalty that are l1, to choose from.
    eps : float, default=1e-3
        How far the Cs reach, as in `softmax_path`.
    cv : int, splitter, iterable of splits, or "approximate-loo", default=None
        None is 5 folds, stratified for labels, or fewer where no class has 5 rows.
        "approximate-loo" estimates the log-loss of leave-one-out from the Hessian of
        one fit to all of the data [1]_, and of a refit for the few rows that move it
        far; it is for l2 penalties without bounds and for the log-loss, and not for
        a C at which X separates classes that nothing penalises.
    scoring : str, callable or None, default=None
        None is minus the mean log-loss, weighted by `sample_weight`. scikit-learn's
        "neg_log_loss" takes a probability below 2e-16 for 2e-16, so that a few
        mistakes of which a model is certain count less.
    selection : {"best", "1se"}, default="best"
        "best" takes the greatest mean score; "1se" the smallest C, at the same l1
        ratio, whose mean is within one standard error of it.
    refit : bool, default=True
        Whether to fit all of the data with the choice. False takes the mean of the
        folds' coefficients instead.
    n_jobs : int, default=None
        Folds to fit at once, in threads. The result is the same for any number.
        None is one at a time, on all cores where the data are large.
    fit_intercept, class_weight, solver, tol, max_iter
        As in `SoftmaxClassifier`. "balanced" is of the whole of y.
    verbose : int, default=0
        Whether to print a line for each fit.
    penalty_factor, penalty_group, bounds, coef_prior, classes
        As in `SoftmaxClassifier`.

    Attributes
    ----------
    C_, l1_ratio_ : float
        The choice.
    C_1se_ : float
        The C that ``selection="1se"`` takes.
    Cs_ : ndarray of shape (n_Cs,)
        Ascending, each once.
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs)
        One fold for "approximate-loo".
    scores_mean_, scores_se_ : ndarrays of shape (n_l1_ratios, n_Cs)
        Mean over the folds (or rows) and its standard error, NaN of a single fold.
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs, n_classes, p)
        Coefficients of each fit. n_classes is 1 for two; p is n_features and, with
        `fit_intercept`, 1 more for the intercepts, which are last.
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs)
        Passes over the data of each fit.
    classes_, coef_, intercept_, optimality_, converged_
        As in `SoftmaxClassifier`, of the fit with the choice; `converged_` is of
        all fits, `optimality_` is the worst one's where `refit` is False.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    See Also
    --------
    softmax_path : The coefficients over C, without cross-validation.

    References
    ----------
    .. [1] K. Rahnama Rad and A. Maleki, "A scalable estimate of the out-of-sample
       prediction error via approximate leave-one-out cross-validation", Journal of
       the Royal Statistical Society B 82 (2020), 965-996. :doi:`10.1111/rssb.12374`

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sk_softmax import SoftmaxClassifierCV
    >>> X, y = load_wine(return_X_y=True)
    >>> classifier = SoftmaxClassifierCV(Cs=[0.01, 0.1, 1.0, 10.0]).fit(X, y)
    >>> classifier.C_, classifier.C_1se_
    (10.0, 1.0)
    >>> classifier.scores_mean_.round(3)
    array([[-0.29 , -0.144, -0.093, -0.088]])
    """

    # a stream has no folds: nobody is to be asked for the metadata of such a method
    __metadata_request__partial_fit = dict.fromkeys(
        ("classes", "sample_weight"), UNUSED
    )

    def __init__(
        self,
        Cs=10,
        *,
        l1_ratios=(0.0,),
        eps=1e-3,
        cv=None,
        scoring=None,
        selection="best",
        refit=True,
        n_jobs=None,
        fit_intercept=True,
        class_weight=None,
        solver="auto",
        tol=1e-6,
        max_iter=1000,
        verbose=0,
        penalty_factor=None,
        penalty_group=None,
        bounds=None,
        coef_prior=None,
        classes=None,
    ):
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.refit = refit
        self.n_jobs = n_jobs
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.verbose = verbose
        self.penalty_factor = penalty_factor
        self.penalty_group = penalty_group
        self.bounds = bounds
        self.coef_prior = coef_prior
        self.classes = classes

    def fit(self, X, y, sample_weight=None, offset=None, **params):
        """Fit the folds, choose, and fit all of the data.

        A fit that fails or is interrupted leaves the estimator as it was. Where a
        callback asks to stop after the fit of some C, the larger ones are left out of
        all folds; where it does after a fold, the folds after it are. The choice is
        made among what there is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Of a dask array or DataFrame the folds are contiguous and made of whole
            chunks, so that sorted rows have to be shuffled first; `cv` is then the
            number of folds and `scoring` None.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels or soft labels, as in `SoftmaxClassifier.fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in the fits and in the scores.
        offset : array-like of shape (n_samples, n_classes) or (n_samples,), \
                default=None
            Added to the logits, in the fits and in the scores.
        **params
            For the splitter and the scorer: ``groups``, and with scikit-learn's
            metadata routing whatever they request.

        Returns
        -------
        self : SoftmaxClassifierCV

        Raises
        ------
        ValueError
            As `SoftmaxClassifier.fit`; or Cs, l1_ratios, eps, cv or selection is
            invalid.
        TypeError
            A parameter has a wrong type.

        Warns
        -----
        ConvergenceWarning
            `max_iter` passes did not reach `tol` in some fit; or X separates classes
            that nothing penalises at the choice, so that the optimum is at infinity.
        UserWarning
            A fold has all rows of a class, and is scored by a fit that has seen none.
        """
        with all_or_nothing(self):
            return self._fit(X, y, sample_weight, offset, **params)

    @with_callbacks
    def _fit(self, X, y, sample_weight, offset, **params):
        l1_ratios = check_choices(self)
        inner = self._inner()
        problem, classes = base_problem(inner, X, y, sample_weight, offset)
        with closing(problem):
            optimality, apart = self._fit_problem(
                problem, classes, inner, l1_ratios, y, sample_weight, params
            )
        self._apart = classes[apart].tolist()
        self._warn_of(optimality)
        return self

    def _fit_problem(
        self, problem, classes, inner, l1_ratios, y, sample_weight, params
    ):
        """Fit the folds and choose; return optimalities and separated classes."""
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))
        judged = problem
        if self.class_weight is not None:
            judged = without_class_weight(problem, self, y, sample_weight)
        with problem.rows.threads():
            Cs = check_Cs(self.Cs, self.eps, problem, l1_ratios)
        refuse_infinite(problem, Cs, classes)
        labels, folds, score_params = splits(
            self, problem, classes, y, sample_weight, params
        )
        if is_loo(self):
            check_left_out(problem, Cs, classes)
        search = Search(
            Cs,
            l1_ratios,
            arguments.solver_options(inner),
            classes,
            bool(self.verbose),
            n_splits=len(folds),
        )
        n_tasks = len(folds) + bool(self.refit and not is_loo(self))
        X = problem.rows.X
        task = begin_fit(self, X, labels, sample_weight, n_tasks, parallel=True)
        scored = problem, judged, folds, labels, score_params
        outcomes = self._outcomes(search, *scored, task)
        thetas, scores, self.n_iter_, optimality, converged = search.gather(outcomes)
        self._set_scores(search, scores)
        r, c = self._choose()
        apart = self._set_solution(
            problem, search, thetas, (r, c), optimality, converged, task
        )
        last = None if self.fit_intercept else -1
        self.coefs_paths_ = thetas[..., :last].astype(problem.rows.dtype)
        return optimality, apart

    def _outcomes(self, search, problem, judged, folds, labels, score_params, task):
        """What `Search.fit` returns for each fold, or once for leave-one-out."""
        if is_loo(self):
            return [search.leave_one_out(problem, judged, task)]
        scorer = None
        if self.scoring is not None:
            scorer = check_scoring(self, self.scoring), labels, score_params
        n_jobs = effective_n_jobs(self.n_jobs)
        return fit_folds(search, problem, judged, folds, scorer, task, n_jobs)

    def _set_scores(self, search, scores):
        """Set the scores, their means and standard errors as attributes."""
        if is_loo(self):  # whose scores are pairs (mean, se)
            scores, self.scores_se_ = scores[..., 0], scores[0, ..., 1]
        elif len(scores) > 1:
            with np.errstate(invalid="ignore"):  # infinite scores have no deviation
                self.scores_se_ = scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
        else:
            self.scores_se_ = np.full(scores.shape[1:], np.nan)
        self.scores_mean_, self.scores_ = scores.mean(axis=0), scores
        self.Cs_, self.l1_ratios_ = search.Cs, search.l1_ratios

    def _inner(self):
        """A SoftmaxClassifier with the parameters that both classes have."""
        shared = SoftmaxClassifier().get_params().keys() & self.get_params().keys()
        return SoftmaxClassifier(**{name: getattr(self, name) for name in shared})

    def _choose(self):
        """Index of the chosen l1 ratio and C; sets C_1se_."""
        mean = self.scores_mean_
        if not np.isfinite(mean).any():
            raise ValueError(
                f"scoring={self.scoring!r} is NaN or infinite for every C: check the "
                "scorer, whether each fold has the rows that it needs, and whether X's "
                "sums overflow."
            )
        r, best = np.unravel_index(np.nanargmax(mean), mean.shape)
        within = mean[r] >= mean[r, best] - np.nan_to_num(self.scores_se_[r, best])
        simplest = np.argmax(within)  # the first, of the smallest C
        self.C_1se_ = float(self.Cs_[simplest])
        return r, best if self.selection == "best" else simplest

    def _set_solution(
        self, problem, search, thetas, choice, optimality, converged, task
    ):
        """Set the coefficients at the choice; return which classes are separated."""
        r, c = choice
        self.C_, self.l1_ratio_ = float(self.Cs_[c]), float(self.l1_ratios_[r])
        theta = thetas[:, r, c].mean(axis=0)
        theta[:, :-1] = problem.penalty.feasible(theta[:, :-1])  # but for rounding
        self.optimality_ = float(optimality[:, r, c].max())
        self.converged_ = bool(converged.all())
        if self.refit and not is_loo(self):
            refit = task.subtask("refit", number=search.n_splits)
            with problem.rows.threads():
                chosen = at(problem, self.C_, self.l1_ratio_)
                result = solve(chosen, **search.options)
            theta, self.optimality_ = result.theta, result.optimality
            self.converged_ = bool(self.converged_ and result.converged)
            search.report("all rows, ", choice, result)
            refit.end(partial(search.attributes, problem, theta))
        self._total_weight = float(problem.total_weight)
        self._rows_observed_once = problem.observes_rows_once
        fitted = self._fitted(theta, search.classes, problem.rows.dtype)
        for name, value in fitted.items():
            setattr(self, name, value)
        task.end(fitted)
        with problem.rows.threads():
            return separated(at(problem, self.C_, self.l1_ratio_), theta)

    def _warn_of(self, optimality):
        """Warn at most once, and say what to do next."""
        if self._apart:
            message = separation(self._apart, self.C_, self.optimality_)
            warnings.warn(message, ConvergenceWarning, stacklevel=5)
        elif not self.converged_:
            warnings.warn(
                f"{type(self).__name__}: some fits did not converge, the worst at an "
                "estimated relative suboptimality of "
                f"{max(optimality.max(), self.optimality_):.1e} (tol={self.tol:g}). "
                f"{next_step(self.max_iter, self.n_iter_.max())}",
                ConvergenceWarning,
                stacklevel=5,
            )

    def score(self, X, y, sample_weight=None, offset=None, **params):
        """The score that `scoring` names; None is minus the mean log-loss.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like, default=None
            As in `decision_function`.
        **params
            For the scorer, with scikit-learn's metadata routing.

        Returns
        -------
        score : float
            Greater is better.
        """
        check_is_fitted(self)
        if self.scoring is not None:
            return score_by_name(self, X, y, sample_weight, offset, params)
        if is_dask(X):
            return mean_score(self, X, y, sample_weight, offset)
        refuse_dask(y=y, sample_weight=sample_weight)
        return self._mean_log_likelihood(X, y, sample_weight, offset)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = False
        return tags

    def get_metadata_routing(self):
        """What `fit` and `score` pass on to the splitter and the scorer.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        if not isinstance(self.cv, str):
            router.add(
                splitter=check_cv(self.cv),
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
        return router.add(
            scorer=get_scorer(self.scoring or "neg_log_loss"),
            method_mapping=MethodMapping()
            .add(caller="fit", callee="score")
            .add(caller="score", callee="score"),
        )
