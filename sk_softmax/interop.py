"""A fitted classifier for other tools: as a DataFrame or a LogisticRegression."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from ._array_api import dense
from ._fitted import column_names, plain

__all__ = ["coef_frame", "to_sklearn"]


def coef_frame(clf):
    """Coefficients and intercepts with the names of classes and features.

    Parameters
    ----------
    clf : SoftmaxClassifier or SoftmaxClassifierCV
        Fitted.

    Returns
    -------
    frame : pandas.DataFrame of shape (n_classes, n_features + 1)
        A row for each class, of two classes only the second. Columns are the
        "(intercept)", where there is one, and the features, "x0", "x1", ... where
        X had no names.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.interop import coef_frame
    >>> iris = load_iris(as_frame=True)
    >>> X, y = iris.data.iloc[:, 2:], iris.target_names[iris.target]
    >>> frame = coef_frame(SoftmaxClassifier(tol=1e-10).fit(X, y))
    >>> frame.round(2)  # doctest: +NORMALIZE_WHITESPACE
                (intercept)  petal length (cm)  petal width (cm)
    class
    setosa            11.13              -2.75             -1.17
    versicolor         3.23               0.08             -0.91
    virginica        -14.35               2.67              2.08
    """
    import pandas as pd

    clf = plain(clf)
    coef = dense(clf.coef_)
    if clf.fit_intercept:
        coef = np.column_stack([clf.intercept_, coef])
    classes = pd.Index(clf.classes_[-len(coef) :], name="class")
    return pd.DataFrame(coef, index=classes, columns=column_names(clf))


def to_sklearn(clf):
    """The same model as a fitted LogisticRegression.

    For tools that know scikit-learn's classes and not this one, such as skl2onnx.
    Where the classifier is a step of a pipeline, put it in that step's place.

    Parameters
    ----------
    clf : SoftmaxClassifier or SoftmaxClassifierCV
        Fitted; without an offset, which LogisticRegression does not have.

    Returns
    -------
    model : sklearn.linear_model.LogisticRegression
        With copies of the coefficients and the same predictions. C, fit_intercept,
        class_weight and max_iter are the classifier's; a refit of it is an l2 fit.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.interop import to_sklearn
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = SoftmaxClassifier().fit(X, y)
    >>> to_sklearn(classifier).predict_proba(X[:1]).round(3)
    array([[0.982, 0.018, 0.   ]])
    """
    clf = plain(clf)
    model = LogisticRegression(
        C=clf.C,
        fit_intercept=clf.fit_intercept,
        class_weight=clf.class_weight,
        max_iter=clf.max_iter,
    )
    for name in ("classes_", "coef_", "intercept_", "n_iter_"):
        setattr(model, name, getattr(clf, name).copy())
    model.n_features_in_ = clf.n_features_in_
    if hasattr(clf, "feature_names_in_"):
        model.feature_names_in_ = clf.feature_names_in_.copy()
    return model
