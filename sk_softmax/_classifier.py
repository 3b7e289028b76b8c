"""SoftmaxClassifier: validate, encode, solve, unpack."""

import numbers
import warnings

import numpy as np
from scipy import sparse
from scipy.special import log_expit, log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ._coordinates import BUILDERS
from ._loss import Sigmoid, Softmax
from ._penalty import Penalty
from ._problem import Problem
from ._rows import Rows
from ._solver import solve


class SoftmaxClassifier(ClassifierMixin, BaseEstimator):
    r"""Softmax (multinomial logistic) regression.

    Minimises, over coefficients W of shape (K, d) and intercepts b of shape (K,),

    .. math::

        \frac{1}{S} \sum_i s_i \left[ \log \sum_k e^{z_{ik}} - z_{i y_i} \right]
        + \frac{1}{2 C S} \sum_{kj} w_{kj}^2, \qquad z_i = W x_i + b,

    with weights :math:`s_i` that sum to S: the objective of scikit-learn's
    :class:`~sklearn.linear_model.LogisticRegression`, with the same minimiser.
    Two classes are the sigmoid, with one row of coefficients. Raw, unscaled
    features are fitted as fast as scaled ones.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty, positive; ``np.inf`` is no penalty.
    l1_ratio : float, default=0.0
        Part of the penalty that is l1. Only 0.0, the l2 penalty, for now.
    fit_intercept : bool, default=True
        Whether to fit the intercepts, which are never penalised.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes by label, multiplied with `sample_weight`;
        "balanced" is inversely proportional to the classes' weighted frequencies.
    solver : {"auto", "hessian", "kronecker", "diagonal"}, default="auto"
        Coordinates in which L-BFGS moves, all with the same result: from the
        whole Hessian, its nearest Kronecker product or its diagonal. "auto"
        takes those with the cheapest fit.
    tol : float, default=1e-6
        Relative suboptimality (F - F*) / (F0 - F*) at which to stop, F0 being the
        objective of the best model without features. It means the same for every
        data set. float32 data cannot be solved to less than about 1e-6.
    max_iter : int, default=1000
        Passes over the data at which to stop with a warning.
    warm_start : bool, default=False
        Whether to start from the last fit, if it had the same classes and features.
    verbose : int, default=0
        Whether to print a line of progress for each new set of coordinates.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes, sorted.
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two
        Coefficients, in the dtype of X (float64 or float32). With more than two
        classes they sum to zero over the classes.
    intercept_ : ndarray of shape (n_classes,), or (1,) for two
        Intercepts; zero without `fit_intercept`.
    n_iter_ : ndarray of shape (1,), int32
        Passes over the data: evaluations of the objective and Hessian products.
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

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        A fit that fails or is interrupted leaves the estimator as it was.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. Dense float32 and float64 and CSR are read in place, in
            either memory order; anything else is converted.
        y : array-like of shape (n_samples,)
            Labels of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None is one each. A weight of 2 is
            the row twice.

        Returns
        -------
        self : SoftmaxClassifier

        Raises
        ------
        ValueError
            A parameter is out of its range, X or y has the wrong shape or holds
            NaN or infinity, there is one class only, or a weight is negative.

        Warns
        -----
        ConvergenceWarning
            `max_iter` passes did not reach `tol`.
        """
        before = self.__dict__.copy()
        try:
            return self._fit(X, y, sample_weight)
        except BaseException:
            self.__dict__ = before
            raise

    def _fit(self, X, y, sample_weight):
        self._check_parameters()
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32]
        )
        classes, codes = np.unique(y, return_inverse=True)
        if classes.dtype.kind not in "biuSU":  # that check takes as long as iris
            check_classification_targets(y)
        if len(classes) < 2:
            raise ValueError(
                f"y holds one class only, {classes[0]}: a classifier needs at "
                "least two."
            )
        weight = self._row_weights(X, y, codes, classes, sample_weight)
        loss = Sigmoid() if len(classes) == 2 else Softmax(len(classes))
        total = len(codes) if weight is None else weight.sum(dtype=np.float64)
        problem = Problem(
            Rows(X, loss.n_outputs),
            loss,
            codes,
            weight,
            Penalty(
                1 / (self.C * total),
                (loss.n_outputs, X.shape[1]),
                l1_ratio=self.l1_ratio,
            ),
            bool(self.fit_intercept),
        )
        with problem.rows.threads():
            result = solve(
                problem,
                self._warm_point(problem, classes),
                tol=self.tol,
                max_iter=self.max_iter,
                kinds=None if self.solver == "auto" else [self.solver],
                progress=self._report if self.verbose else None,
            )
        self._unpack(result, classes, X.dtype)
        return self

    def _check_parameters(self):
        for name, least, bounds in (
            ("C", 0, "neither"),
            ("l1_ratio", 0, "left"),
            ("tol", 0, "left"),
            ("max_iter", 1, "left"),
        ):
            value = getattr(self, name)
            kind = numbers.Integral if name == "max_iter" else numbers.Real
            check_scalar(
                value,
                name,
                kind,
                min_val=least,
                max_val=None if bounds == "left" else np.inf,
                include_boundaries=bounds if bounds == "left" else "right",
            )
            if value != value:
                raise ValueError(f"{name} is NaN.")
        if self.l1_ratio > 1:
            raise ValueError(f"l1_ratio={self.l1_ratio!r} must be at most 1.")
        if self.solver != "auto" and self.solver not in BUILDERS:
            raise ValueError(
                f"solver={self.solver!r} must be 'auto' or one of {list(BUILDERS)}."
            )

    def _row_weights(self, X, y, codes, classes, sample_weight):
        """Weights of the rows in X's dtype, or None where they are one each."""
        if sample_weight is None and self.class_weight is None:
            return None
        if sample_weight is None:
            weight = np.ones(len(codes), X.dtype)
        else:
            weight = check_array(
                sample_weight,
                ensure_2d=False,
                dtype=X.dtype,
                input_name="sample_weight",
                copy=True,
            )
            weight = np.full(len(codes), weight) if weight.ndim == 0 else weight
            if weight.shape != codes.shape:
                raise ValueError(
                    f"sample_weight has shape {weight.shape}, but X has "
                    f"{len(codes)} rows: expected {codes.shape}."
                )
            if weight.min() < 0:
                raise ValueError(
                    f"sample_weight[{weight.argmin()}] is {weight.min()}: "
                    "weights must not be negative."
                )
        if self.class_weight is not None:
            if isinstance(self.class_weight, str) and self.class_weight == "balanced":
                # of the weighted classes, as scikit-learn does from 1.7 on
                mass = np.bincount(codes, weight)
                with np.errstate(divide="ignore"):
                    by_class = np.where(mass > 0, mass.sum() / len(mass) / mass, 0)
            else:
                by_class = compute_class_weight(self.class_weight, classes=classes, y=y)
            weight *= by_class[codes].astype(X.dtype)
        if not weight.any():
            raise ValueError("sample_weight is zero for every row.")
        return weight

    def _warm_point(self, problem, classes):
        """The last fit as a starting point, or None."""
        fits = (
            self.warm_start
            and hasattr(self, "coef_")
            and np.array_equal(self.classes_, classes)
            and self.coef_.shape == (problem.shape[0], problem.shape[1] - 1)
        )
        if not fits:
            return None
        coef = self.coef_.toarray() if sparse.issparse(self.coef_) else self.coef_
        intercept = self.intercept_ if self.fit_intercept else np.zeros(len(coef))
        theta = np.column_stack([coef, intercept]).astype(np.float64)
        return problem.centred(theta)

    def _unpack(self, result, classes, dtype):
        self.classes_ = classes
        self.coef_ = result.theta[:, :-1].astype(dtype, order="C")
        self.intercept_ = result.theta[:, -1].astype(dtype)
        self.n_iter_ = np.array([result.n_iter], dtype=np.int32)
        self.optimality_ = result.optimality
        self.converged_ = result.converged
        if not result.converged:
            warnings.warn(
                f"{type(self).__name__} stopped after {result.n_iter} passes over the "
                "data at an estimated relative suboptimality of "
                f"{result.optimality:.1e} (tol={self.tol:g}; greatest entry of the "
                f"gradient {result.gradient_norm:.1e}). Raise max_iter (now "
                f"{self.max_iter}), or tol if this is near enough; a smaller C makes "
                "the problem easier.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _report(self, n_iter, value, optimality):
        print(
            f"{type(self).__name__}: {n_iter} passes, objective {value:.8g}, "
            f"relative suboptimality {optimality:.1e}"
        )

    def decision_function(self, X):
        """Logits: ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two
            For two classes, the logit of ``classes_[1]``.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            reset=False,
        )
        logits = X @ self.coef_.T
        if sparse.issparse(logits):  # X and, after sparsify, coef_ too
            logits = logits.toarray()
        logits = logits + self.intercept_
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, X):
        """The most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,), of labels from ``classes_``
        """
        logits = self.decision_function(X)
        codes = (logits > 0).astype(int) if logits.ndim == 1 else logits.argmax(axis=1)
        return self.classes_[codes]

    def predict_log_proba(self, X):
        """Logarithms of the probabilities, exact where these underflow to 0.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        logits = self.decision_function(X)
        if logits.ndim == 1:
            return np.column_stack([log_expit(-logits), log_expit(logits)])
        return log_softmax(logits, axis=1)

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; each row sums to 1.
        """
        log_proba = self.predict_log_proba(X)
        return np.exp(log_proba, out=log_proba)

    def sparsify(self):
        """Make ``coef_`` a CSR matrix: smaller and faster where most are zero.

        Returns
        -------
        self : SoftmaxClassifier
        """
        check_is_fitted(self)
        self.coef_ = sparse.csr_matrix(self.coef_)
        return self

    def densify(self):
        """Make ``coef_`` an ndarray again.

        Returns
        -------
        self : SoftmaxClassifier
        """
        check_is_fitted(self)
        if sparse.issparse(self.coef_):
            self.coef_ = self.coef_.toarray()
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
