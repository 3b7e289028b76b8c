"""What a scorer says of coefficients on rows: the log-loss, or one that is named."""

import numbers
from copy import copy
from inspect import Parameter, signature

import numpy as np
from sklearn import metrics
from sklearn.utils.metadata_routing import _routing_enabled, process_routing
from sklearn.utils.validation import _check_method_params

from . import _arguments as arguments
from ._arguments import is_soft
from ._chunks import is_dask
from ._classifier import SoftmaxClassifier
from ._labels import plain_labels
from ._path import log_loss

# Metrics that take the classes from y, unless they get them as `labels`.
OF_LABELS = {
    "brier_score_loss",
    "d2_brier_score",
    "d2_log_loss_score",
    "log_loss",
    "top_k_accuracy_score",
}
# Of these, what compares with the frequencies of y has no meaning for one class.
NOT_OF_ONE_CLASS = {"d2_brier_score", "d2_log_loss_score"}


def log_score(held):
    """A function of theta and C: minus the log-loss of the rows held out."""
    return lambda theta, C: -log_loss(held, theta)


def named_score(scorer, X, test, held, classes):
    """A function of theta and C: the scorer's value on the rows held out."""
    scorer, labels, params = scorer
    y, params = labels[test], _check_method_params(X, params, indices=test)

    def judge(theta, C):
        dtype = held.rows.dtype
        coef, intercept = theta[:, :-1].astype(dtype), theta[:, -1].astype(dtype)
        model = _model(C, classes, coef, intercept, held.offset)
        try:
            value = _score(scorer, model, held.rows.X, y, params)
        except (TypeError, ValueError) as error:
            raise ValueError(_failed(scorer, error, y, classes)) from error
        if np.size(value) == 1 and hasattr(value, "item"):
            value = value.item()
        if not isinstance(value, numbers.Real):
            raise ValueError(
                f"scoring must return a number, but returned {value!r}: check it."
            )
        return value

    return judge


def _failed(scorer, error, y, classes):
    """What to say of a scorer that failed on labels y."""
    step = "try it on a fitted SoftmaxClassifier, or pass another."
    absent = [] if is_soft(y) else classes[~np.isin(classes, y)].tolist()
    if absent:
        step = (
            f"no row held out is of class {absent}: take fewer folds, or scoring=None."
        )
    return f"scoring={scorer!r} failed on the rows held out ({error}): {step}"


def check_weighted(scoring):
    """Raise where a scorer takes no weights."""
    scorer = metrics.get_scorer(scoring) if isinstance(scoring, str) else scoring
    try:
        parameters = signature(getattr(scorer, "_score_func", scorer)).parameters
    except (TypeError, ValueError):  # None, or a callable without a signature
        return
    kinds = [parameter.kind for parameter in parameters.values()]
    if not ("sample_weight" in parameters or Parameter.VAR_KEYWORD in kinds):
        raise ValueError(
            f"scoring={scoring!r} takes no sample_weight, which the fit has: pass a "
            "callable (estimator, X, y, sample_weight=None) or a metric of weighted "
            "rows, or say with metadata routing that it gets none."
        )


def score_by_name(estimator, X, y, sample_weight, offset, params):
    """The value of the scorer that `scoring` names, with the offset in the model."""
    if is_dask(X):
        raise ValueError(
            f"scoring={estimator.scoring!r}: for a dask X use scoring=None. If X and y "
            "fit in memory, pass X.compute() and y.compute()."
        )
    sample_weight = arguments.drop_if_scalar(sample_weight)
    if _routing_enabled():
        routed = process_routing(
            estimator, "score", sample_weight=sample_weight, **params
        )
        params = routed.scorer.score
    elif sample_weight is not None:
        check_weighted(estimator.scoring)
        params = {"sample_weight": sample_weight}
    coef, intercept = estimator.coef_, estimator.intercept_
    model = _model(estimator.C_, estimator.classes_, coef, intercept, offset)
    if hasattr(estimator, "feature_names_in_"):
        model.feature_names_in_ = estimator.feature_names_in_
    if is_soft(y):
        if hasattr(y, "columns"):
            arguments.check_columns(np.sort(np.asarray(y.columns)), estimator.classes_)
        y = arguments.in_class_order(y, estimator.classes)
    else:
        y = plain_labels(y)
    return _score(metrics.get_scorer(estimator.scoring), model, X, y, params)


def _score(scorer, model, X, y, params):
    """The scorer's value; it is told the classes where it cannot know them.

    The rows may hold only some of them, where some metrics take them from y. Of two
    classes of which none is 1, a metric's default, the second is the positive one, as
    for LogisticRegressionCV.
    """
    function, classes = getattr(scorer, "_score_func", None), model.classes_
    if not callable(function) or is_soft(y) or not np.isin(y, classes).all():
        return scorer(model, X, y, **params)
    own = getattr(scorer, "_kwargs", {})
    try:
        parameters = signature(function).parameters
    except (TypeError, ValueError):  # some callables have none
        return scorer(model, X, y, **params)
    known = {name: parameter.default for name, parameter in parameters.items()} | own
    given, name = {}, getattr(function, "__name__", "")
    name = name if getattr(metrics, name, None) is function else ""
    of_labels = OF_LABELS if len(np.unique(y)) > 1 else OF_LABELS - NOT_OF_ONE_CLASS
    if not np.isin(classes, y).all() and name in of_labels:
        given["labels"] = classes
    # of two classes average_precision_score ignores its average
    ignored = name == "average_precision_score"
    binary = ignored or known.get("average", "binary") == "binary"
    binary = binary and len(classes) == 2
    unnamed = "brier" in name or known.get("pos_label") == 1
    if binary and unnamed and (given or 1 not in classes.tolist()):
        given["pos_label"] = classes[1]
    said = own.keys() | params.keys()
    given = {name: given[name] for name in given.keys() & known.keys() - said}
    if given:
        scorer = copy(scorer)
        scorer._kwargs = own | given
    return scorer(model, X, y, **params)


def _model(C, classes, coef, intercept, offset):
    """The fitted classifier that a scorer sees."""
    C = float(C)
    model = SoftmaxClassifier(C) if offset is None else _WithOffset(C)
    if offset is not None:
        model.offset_ = offset
    model.classes_, model.coef_, model.intercept_ = classes, coef, intercept
    model.n_features_in_ = coef.shape[1]
    return model


class _WithOffset(SoftmaxClassifier):
    """A fitted classifier that adds the offset of the rows it is scored on.

    Scorers do not pass an offset.
    """

    def decision_function(self, X, offset=None):
        # given where the predict methods below, block by block, call this one
        return super().decision_function(X, self.offset_ if offset is None else offset)

    def predict(self, X, offset=None):
        return super().predict(X, self.offset_)

    def predict_proba(self, X, offset=None):
        return super().predict_proba(X, self.offset_)

    def predict_log_proba(self, X, offset=None):
        return super().predict_log_proba(X, self.offset_)
