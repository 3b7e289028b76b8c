"""SoftmaxClassifier: validate, encode, solve, unpack."""

import warnings
from contextlib import closing

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if

from . import _arguments as arguments
from . import _stream as stream
from ._array_api import follow
from ._encode import problem_for, validated, validated_batch, warm_point
from ._next_steps import next_step, separation
from ._parameters import check_parameters, check_streamable
from ._predictor import Predictor, all_or_nothing
from ._progress import CallbackSupportMixin, Rounds, begin_fit, with_callbacks
from ._separation import separated
from ._solver import solve


class SoftmaxClassifier(CallbackSupportMixin, Predictor):
    r"""Softmax (multinomial logistic) regression.

    Minimises, over coefficients W of shape (K, d) and intercepts b of shape (K,),

    .. math::

        \frac{1}{S} \sum_i s_i
        \left[ \log \sum_k e^{z_{ik}} - \sum_k t_{ik} z_{ik} \right]
        + \frac{1}{C S} \sum_{kj} f_{kj} \left[ \rho |w_{kj} - m_{kj}|
        + \frac{1 - \rho}{2} (w_{kj} - m_{kj})^2 \right],

    where :math:`z_i = W x_i + b + o_i`,
    subject to the `bounds`, with weights :math:`s_i` that sum to S, targets
    :math:`t_i` (one-hot for labels) and offsets :math:`o_i`. With f = 1, m = 0 and
    no offsets it is the objective of scikit-learn's
    :class:`~sklearn.linear_model.LogisticRegression`, with the same minimiser.
    Two classes are the sigmoid, with one row of coefficients. Raw, unscaled
    features are fitted as fast as scaled ones.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty, positive; ``np.inf`` is no penalty.
    l1_ratio : float, default=0.0
        Fraction :math:`\rho` of the penalty that is l1: 0 is the l2 penalty, 1 the
        lasso, in between the elastic net.
    fit_intercept : bool, default=True
        Whether to fit the intercepts, which are never penalised.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes by label, multiplied with `sample_weight`;
        "balanced" is inversely proportional to the classes' weighted frequencies.
    solver : {"auto", "hessian", "blocks", "kronecker", "diagonal"}, default="auto"
        Coordinates in which L-BFGS moves (combinations of the coefficients in which
        the objective bends about alike), all towards the optimum: from the whole
        Hessian, its blocks of one class, its nearest Kronecker product or its
        diagonal. "auto" takes those with the cheapest fit, or where the data are small
        Newton's method. In those from the diagonal a fit can end too early over columns
        that are nearly collinear.
    tol : float, default=1e-6
        Relative suboptimality (F - F*) / (F0 - F*) at which to stop, F0 being the
        objective of the best model without features or, if that is less, of
        `coef_prior` with the best intercepts. It means the same for every data set.
        With float32 data a fit may stop short of it, where F no longer changes.
    max_iter : int, default=1000
        Passes over the data at which to stop with a warning; `n_iter_` says what
        counts as one.
    warm_start : bool, default=False
        Whether to start from the last fit, if it had the same classes and features.
    verbose : int, default=0
        Whether to print a line of progress for each round of the solver.
    penalty_factor : float, array-like of shape (d,) or (K, d), or dict, default=None
        Factors :math:`f_{kj}` of the penalty, or a dict of them by feature name
        (1 for the others). 0 is unpenalised, ``np.inf`` excludes a feature. They
        are not rescaled. (K, d) is (1, d) for two classes, as in `coef_`. Here and
        below what pandas names after features and classes is taken by name.
    penalty_group : {None, "class"}, default=None
        "class" penalises the l2 norm of each feature's K coefficients in the l1
        term's place: a feature is in for all classes or for none. With `l1_ratio`
        at 0 there is no such term. `penalty_factor` is then of shape (d,).
    bounds : pair (lower, upper) or dict, default=None
        Bounds of the coefficients, each a float or an array-like of shape (d,) or
        (K, d), for two classes (1, d), or a dict of pairs by feature name.
    coef_prior : array-like of shape (K, d) or fitted estimator, default=None
        What the coefficients shrink to, :math:`m_{kj}`, of shape (1, d) for two
        classes; None is 0. An estimator must have the same classes and features.
    classes : array-like of shape (K,), default=None
        The full label set, where y may lack some of it; None takes y's labels. Of
        an array of soft labels they are the columns, in that order.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes, sorted.
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two
        Coefficients, in the dtype of X (float64 or float32). With more than two
        classes and an l2 penalty that is the same for all of them, and no bounds, they
        sum to zero over the classes, or to the sum of `coef_prior`.
    intercept_ : ndarray of shape (n_classes,), or (1,) for two
        Intercepts; zero without `fit_intercept`. With more than two classes they sum
        to zero.
    n_iter_ : ndarray of shape (1,), int32
        Passes over the data: evaluations of the objective and Hessian products. A
        pass over a sample of the rows, or some features of sparse rows, counts as that
        fraction of one.
    optimality_ : float
        Estimated relative suboptimality of the solution, see `tol`.
    converged_ : bool
        Whether the estimate was verified to be at most `tol`, or as small as the
        floating point numbers permit.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    sklearn.linear_model.LogisticRegression : The same model.

    References
    ----------
    .. [1] D. Böhning, "Multinomial logistic regression algorithm", Annals of the
       Institute of Statistical Mathematics 44 (1992), 197-200.
       :doi:`10.1007/BF00048682`
    .. [2] D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large
       scale optimization", Mathematical Programming 45 (1989), 503-528.
       :doi:`10.1007/BF01589116`

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_softmax import SoftmaxClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = SoftmaxClassifier().fit(X, y)
    >>> classifier.predict(X[:2])
    array([0, 0])
    >>> classifier.predict_proba(X[:1]).round(3)
    array([[0.982, 0.018, 0.   ]])
    >>> classifier.score(X, y)
    0.973...
    """

    def __init__(
        self,
        C=1.0,
        *,
        l1_ratio=0.0,
        fit_intercept=True,
        class_weight=None,
        solver="auto",
        tol=1e-6,
        max_iter=1000,
        warm_start=False,
        verbose=0,
        penalty_factor=None,
        penalty_group=None,
        bounds=None,
        coef_prior=None,
        classes=None,
    ):
        self.C = C
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.verbose = verbose
        self.penalty_factor = penalty_factor
        self.penalty_group = penalty_group
        self.bounds = bounds
        self.coef_prior = coef_prior
        self.classes = classes

    def fit(self, X, y, sample_weight=None, offset=None):
        """Fit the model.

        A fit that fails or is interrupted leaves the estimator as it was. One that a
        callback stops keeps the point it had come to, without a warning, and
        ``converged_`` and ``optimality_`` say how good that is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. Dense float32 and float64 and CSR are read in place, in
            either memory order; anything else is converted. A memory map is read
            and converted block by block, never whole. A dask array or DataFrame is
            fitted where its chunks of rows are, and the other arguments may then
            be dask's too; the predict methods give lazy dask arrays. With
            scikit-learn's ``array_api_dispatch`` the computations with an array of
            torch, CuPy or another library of the array API standard are done by that
            library, on its device. Other arguments are moved there, and fitted
            attributes and predictions are there; labels that are not numbers stay
            NumPy's.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels of at least two classes; or soft labels, a column for each class,
            whose rows are distributions or counts. The sums of rows of counts act
            as weights. The columns of a DataFrame name the classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None is one each. A weight of 2 is
            the row twice. Rows of weight 0 do not count, but as in scikit-learn their
            labels are among `classes_`.
        offset : array-like of shape (n_samples, n_classes), or (n_samples,) for two, \
                default=None
            Added to the logits, with a coefficient of 1. The columns of a DataFrame
            that are named after the classes may be in any order. The predict methods
            take the same argument, and without it take the offset to be zero.

        Returns
        -------
        self : SoftmaxClassifier

        Raises
        ------
        ValueError
            A parameter is out of its range, X or y has the wrong shape or holds
            NaN or infinity, there is one class only, or a weight is negative.
        TypeError
            A parameter has a wrong type, or labels are bytes.
        ImportError
            X is an array of another library under ``array_api_dispatch``, and
            scikit-learn is older than 1.9.
        RuntimeError
            The dask cluster was closed, or lost data that cannot be computed again.
        TimeoutError
            No worker of the dask cluster did anything for a minute, or for dask's
            configuration ``sk_softmax.timeout``.

        Warns
        -----
        ConvergenceWarning
            `max_iter` passes did not reach `tol`; or X separates classes that nothing
            penalises, so that the optimum is at infinity.
        """
        with all_or_nothing(self):
            return self._fit(X, y, sample_weight, offset)

    @with_callbacks
    def _fit(self, X, y, sample_weight, offset):
        self.__dict__.pop("_stream", None)
        check_parameters(self)
        arguments.require_y(y, self)
        X = validated(self, X, y, sample_weight, offset)
        problem, classes = problem_for(self, X, y, sample_weight, offset)
        with closing(problem):
            result, apart, stopped = self._solved(problem, classes, X, y, sample_weight)
        self._unpack(result, classes, problem.rows.dtype, X)
        self._total_weight = float(problem.total_weight)
        self._rows_observed_once = problem.observes_rows_once
        self._apart = classes[apart].tolist()
        if not stopped:  # by a callback, so that the user knows
            self._warn(result, stacklevel=5)
        return self

    def _solved(self, problem, classes, X, y, sample_weight):
        """The solver's result, separated classes, and whether a callback stopped it."""
        task = begin_fit(self, X, y, sample_weight)

        def fitted(theta):
            attributes = self._fitted(theta, classes, problem.rows.dtype)
            return {name: follow(X, value) for name, value in attributes.items()}

        rounds = Rounds(task, fitted)

        def progress(n_iter, point, optimality):
            if self.verbose:
                self._report(n_iter, point.value, optimality)
            return rounds(point.theta)

        with problem.rows.threads():
            result = solve(
                problem,
                warm_point(self, problem, classes),
                **arguments.solver_options(self),
                progress=progress if self.verbose or task.followed else None,
            )
            apart = separated(problem, result.theta)
        rounds.close(result.theta)
        return result, apart, rounds.stopped

    @available_if(check_streamable)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Fit the model to another batch of rows of a stream.

        The coefficients come near those of `fit` on all rows seen so far. Of these
        only the last are kept, and a second-order expansion of the loss of the others.
        The first call gives what `fit` gives. A call that fails or is interrupted
        leaves the estimator as it was.

        The estimator grows by three times the Hessian, ((K - 1) (d + 1))^2
        numbers of 8 bytes, and as much of the last rows (1 MB at least); with more
        than 1024 parameters by three times (K - 1)^2 + (d + 1)^2 and those rows.
        The time of a call grows with the cube of the features: hash words to a
        thousand, not to tens of thousands.
        The order of the rows matters little if they are shuffled, and much if
        they come class by class.

        `fit` forgets the stream. After `fit`, which keeps nothing to go on from,
        `partial_fit` starts a new one, with the same classes if none are given, and
        warns.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            From one row to as many as there are.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, not necessarily of all classes, or soft labels as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            The full label set, needed on the first call if there was no `fit` and
            the parameter `classes` is None.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None is one each. A batch without any
            weight changes nothing, but cannot be the first.

        Returns
        -------
        self : SoftmaxClassifier

        Raises
        ------
        ValueError
            As `fit` does; `classes` or the features are not those of the first
            call, y holds a label that is not in `classes`, or a `penalty_factor` is
            infinite.
        AttributeError
            The parameters are not for streams, so that there is no such method; the
            error's cause says why. They are `C=np.inf`, `l1_ratio`, `penalty_group`,
            `bounds`, `coef_prior` and `class_weight="balanced"`.

        Warns
        -----
        ConvergenceWarning
            `max_iter` passes over the rows kept did not reach `tol`.
        UserWarning
            There was a `fit`, which is forgotten.
        """
        with all_or_nothing(self):
            return self._partial_fit(X, y, classes, sample_weight)

    def _partial_fit(self, X, y, classes, sample_weight):
        check_parameters(self)
        last = getattr(self, "_stream", None)
        X = validated_batch(self, X, y, sample_weight, reset=last is None)
        if last is None and hasattr(self, "coef_"):
            warnings.warn(
                "partial_fit starts a new stream and forgets the coefficients of fit, "
                "which keeps no rows to go on from: start it with a clone of the "
                "estimator, or give partial_fit those rows too.",
                stacklevel=3,
            )
        y, sample_weight = follow(X, y, sample_weight)
        self._stream, result = stream.partial_fit(
            self, last, X, y, classes, sample_weight
        )
        if result is None:
            return self
        self._unpack(result, self._stream.classes, X.dtype)
        self._total_weight = float(self._stream.weight)
        # not known of a stream: `marginal_effects` compares the total weight with n
        self.__dict__.pop("_rows_observed_once", None)
        self._apart = []  # a stream is not asked
        self._warn(result, stacklevel=4)
        return self

    @property
    def penalty(self):
        """Name of the penalty by its l1 ratio: "l1", "elasticnet" or "l2".

        `SelectFromModel` reads it: after an l1 fit it drops only the zeros.
        """
        # SoftmaxClassifierCV has chosen one, or is yet to choose one of these
        ratios = getattr(self, "l1_ratios", None)
        ratio = getattr(self, "l1_ratio_", None)
        if ratio is None:
            ratio = self.l1_ratio if ratios is None else np.min(ratios, initial=1)
        return "l2" if ratio == 0 else "l1" if ratio == 1 else "elasticnet"

    def _unpack(self, result, classes, dtype, X=None):
        """Set the fitted attributes, on X's device if X is a foreign array."""
        for name, value in self._fitted(result.theta, classes, dtype).items():
            setattr(self, name, follow(X, value))
        self.n_iter_ = follow(X, np.array([result.n_iter], dtype=np.int32))
        self.optimality_ = result.optimality
        self.converged_ = bool(result.converged)

    def _warn(self, result, stacklevel):
        """Warn at most once, and say what to do next."""
        if self._apart:
            message = separation(self._apart, self.C, result.optimality)
        elif not result.converged:
            step = next_step(self.max_iter, result.n_iter)
            message = (
                f"{type(self).__name__} stopped after {result.n_iter} passes over the "
                "data at an estimated relative suboptimality of "
                f"{result.optimality:.1e} (tol={self.tol:g}; greatest entry of the "
                f"gradient {result.gradient_norm:.1e}). {step}"
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)

    def _report(self, n_iter, value, optimality):
        left = f"{optimality:.1e}" if optimality < np.inf else "not known yet"
        print(
            f"{type(self).__name__}: {n_iter} passes, objective {value:.8g}, "
            f"relative suboptimality {left}"
        )
