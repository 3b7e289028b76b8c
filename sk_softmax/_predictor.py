"""What a fitted model says of rows: logits, probabilities, labels, scores."""

from contextlib import contextmanager
from functools import wraps

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _arguments as arguments
from ._arguments import is_soft
from ._array_api import (
    IS_SUPPORTED,
    cast,
    check_same_namespace,
    common_dtype,
    dense,
    float_types,
    follow,
    is_dispatched,
    is_foreign,
    namespace,
    to_numpy,
)
from ._chunks import is_dask, lazily, mean_score, refuse_dask
from ._labels import plain_labels
from ._loss import log_proba, proba
from ._numeric import is_plain, numbers_only
from ._rows import MAPPED_BYTES, give_back, is_checked_late, memory_map, working_dtype

# Options of `validate_data`: X in one of these forms is read in place, not copied.
INPUT = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}


def read(estimator, X):
    """X as a fit reads it, validated."""
    if _is_plain(X):
        estimator.__dict__.pop("feature_names_in_", None)
        estimator.n_features_in_ = X.shape[1]
        return X
    return checked(estimator, X, **reading(X))


def checked(estimator, X, **options):
    """X after `validate_data`, and after checks that it lacks: for masks and dates."""
    with numbers_only(X), np.errstate(invalid="ignore"):  # its sum may be inf - inf
        X = validate_data(estimator, X, **INPUT | options)
    if sparse.issparse(X) and X.dtype == bool:  # as of a frame of sparse dummies
        X = X.astype(np.float64)
    return X


def _is_plain(X):
    """Whether X is a small, finite array, for which `validate_data` is needless."""
    if is_checked_late(X) or memory_map(X) is not None:
        return False
    return is_plain(X, INPUT["dtype"]) and X.ndim == 2


def reading(X):
    """Options of `validate_data` for a fit.

    Whether a large X is finite is checked later, by blocks, in `_rows`.
    """
    if is_dispatched(X):
        return {"dtype": float_types(X)}
    if memory_map(X) is not None:
        return {"dtype": "numeric", "ensure_all_finite": False}
    return {"ensure_all_finite": not is_checked_late(X)}


def _by_block(method):
    """A predict method that reads a memory map block by block.

    A foreign array has to be in the library and on the device of the coefficients.
    """

    @wraps(method)
    def by_block(self, X, offset=None):
        check_same_namespace(X, self, method.__name__)
        file = memory_map(X)
        if file is None or X.ndim != 2 or 8 * X.size <= MAPPED_BYTES:
            return method(self, X, offset)
        n_rows = max(1, MAPPED_BYTES // (8 * X.shape[1]))
        check_is_fitted(self)
        offset = arguments.offsets(offset, len(X), self.classes_, working_dtype(X))
        result = None
        for start in range(0, len(X), n_rows):
            part = slice(start, start + n_rows)
            block = method(self, X[part], None if offset is None else offset[part])
            if result is None:
                result = np.empty((len(X), *block.shape[1:]), block.dtype)
            result[part] = block
            give_back(file)
        return result

    return by_block


@contextmanager
def all_or_nothing(estimator):
    """Restore the estimator if the block within raises or is interrupted.

    Numbers that underflow are zero within it, whatever NumPy has been told to raise.
    """
    before = estimator.__dict__.copy()
    try:
        with np.errstate(under="ignore"):
            yield
    except BaseException:
        estimator.__dict__ = before
        raise


class Predictor(ClassifierMixin, BaseEstimator):
    """A classifier with ``classes_``, ``coef_`` and ``intercept_``."""

    @staticmethod
    def _fitted(theta, classes, dtype):
        """The attributes that the predict methods need."""
        return {
            "classes_": classes,
            "coef_": theta[:, :-1].astype(dtype, order="C"),
            "intercept_": theta[:, -1].astype(dtype),
        }

    @lazily
    @_by_block
    def decision_function(self, X, offset=None):
        """Logits: ``X @ coef_.T + intercept_ + offset``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples, n_classes), or (n_samples,) for two, \
                default=None

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two
            For two classes, the logit of ``classes_[1]``.
        """
        check_is_fitted(self)
        dtype = float_types(X) if is_dispatched(X) else INPUT["dtype"]
        X = checked(self, X, reset=False, dtype=dtype)
        classes = self.classes_
        offset = arguments.offsets(follow(X, offset), X.shape[0], classes, X.dtype)
        offset = follow(X, offset)
        X, coef = common_dtype(X, self.coef_)
        # X and coef_ may both be sparse, after sparsify
        logits = dense(X @ coef.T) + self.intercept_
        if offset is not None:
            logits += offset
        return logits[:, 0] if classes.shape[0] == 2 else logits

    @lazily
    @_by_block
    def predict(self, X, offset=None):
        """The most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like, default=None
            As in `decision_function`.

        Returns
        -------
        y : ndarray of shape (n_samples,), of labels from ``classes_``
        """
        logits = self.decision_function(X, offset)
        xp = namespace(logits)
        codes = (
            cast(logits > 0, xp.int64)
            if logits.ndim == 1
            else xp.argmax(logits, axis=1)
        )
        return self.classes_[codes if is_foreign(self.classes_) else to_numpy(codes)]

    @lazily
    @_by_block
    def predict_log_proba(self, X, offset=None):
        """Logarithms of the probabilities, exact where these underflow to 0.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like, default=None
            As in `decision_function`.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return log_proba(self.decision_function(X, offset))

    @lazily
    @_by_block
    def predict_proba(self, X, offset=None):
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like, default=None
            As in `decision_function`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; each row sums to 1.
        """
        return proba(self.decision_function(X, offset))

    def score(self, X, y, sample_weight=None, offset=None):
        """Accuracy for labels; minus the mean cross-entropy for soft labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) of labels, or (n_samples, n_classes) of \
                distributions or counts
            A DataFrame's columns name the classes; an array's are in the order of
            the parameter `classes`, or else of ``classes_``.
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like, default=None
            As in `decision_function`.

        Returns
        -------
        score : float
            Greater is better.
        """
        if is_dask(X):
            return mean_score(self, X, y, sample_weight, offset)
        refuse_dask(y=y, sample_weight=sample_weight)
        if not is_soft(y):
            predicted, y = self.predict(X, offset), plain_labels(y)
            sample_weight = arguments.drop_if_scalar(sample_weight)
            y, sample_weight = follow(predicted, y, sample_weight)
            return accuracy_score(y, predicted, sample_weight=sample_weight)
        return self._mean_log_likelihood(X, y, sample_weight, offset)

    def _mean_log_likelihood(self, X, y, sample_weight, offset):
        """Mean log-likelihood (minus the cross-entropy) of labels or soft labels."""
        logp = self.predict_log_proba(X, offset)
        arguments.check_length(logp, y)
        classes = to_numpy(self.classes_)
        labels = self.classes  # the order of soft labels' columns in fit
        if labels is None:
            stream = getattr(self, "_stream", None)
            labels = classes if stream is None else stream.class_order
        if is_soft(y) and hasattr(y, "columns"):  # they name the classes, in any order
            labels = None
        else:
            y = follow(logp, y)
        labels, target, mass = arguments.targets(y, labels, logp.dtype)
        arguments.check_columns(labels, classes)
        target, mass, weight = follow(logp, target, mass, sample_weight)
        weight = arguments.row_weights(weight, None, labels, target, mass, logp.dtype)
        if target.ndim == 1:
            scores = logp[np.arange(len(target)), target]
        else:
            scores = namespace(logp).sum(target * logp, axis=1)
        return float(np.average(to_numpy(scores), weights=to_numpy(weight)))

    def sparsify(self):
        """Make ``coef_`` a CSR matrix: smaller and faster where most are zero.

        Returns
        -------
        self : SoftmaxClassifier
        """
        check_is_fitted(self)
        if is_foreign(self.coef_):
            raise ValueError(
                f"coef_ is a {type(self.coef_).__name__}, which has no CSR form: first "
                "move the estimator to NumPy with "
                "sklearn.utils._array_api.move_estimator_to(estimator, numpy, 'cpu')."
            )
        self.coef_ = sparse.csr_matrix(self.coef_)
        return self

    def densify(self):
        """Make ``coef_`` an ndarray again.

        Returns
        -------
        self : SoftmaxClassifier
        """
        check_is_fitted(self)
        self.coef_ = dense(self.coef_)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = IS_SUPPORTED
        return tags
