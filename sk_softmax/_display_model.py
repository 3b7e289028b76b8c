"""Displays of what a model says: its coefficients and its probabilities."""

import numbers
from collections.abc import Mapping

import numpy as np
from scipy import sparse
from sklearn.utils import check_scalar

from ._arguments import rearranged
from ._array_api import dense
from ._display_style import GREY, axes, dot_style, drawn, legend, line_style, literal
from ._fitted import feature_names, plain, position
from ._information import INTERCEPT


class CoefficientDisplay:
    """Coefficients by feature and class: dots, with intervals where these are known.

    Parameters
    ----------
    coef : ndarray of shape (n_rows, n_features)
        A row for each class that is shown.
    classes : array-like of shape (n_rows,)
    feature_names : list of str
    lower, upper : ndarrays of shape (n_rows, n_features), default=None
        Ends of the intervals.
    label : str, default="Coefficient"
        Of the axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    artists_ : list of matplotlib ErrorbarContainer
        One for each class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.display import CoefficientDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> classifier = SoftmaxClassifier().fit(X, y)
    >>> display = CoefficientDisplay.from_estimator(classifier, scale=X.std())
    >>> len(display.artists_)
    3
    """

    def __init__(
        self,
        coef,
        *,
        classes,
        feature_names,
        lower=None,
        upper=None,
        label="Coefficient",
    ):
        self.coef = coef
        self.classes = classes
        self.feature_names = feature_names
        self.lower = lower
        self.upper = upper
        self.label = label

    @classmethod
    def from_estimator(cls, clf, *, scale=None, max_features=20, ax=None):
        """Draw ``coef_`` of a fitted classifier.

        Parameters
        ----------
        clf : SoftmaxClassifier or SoftmaxClassifierCV
        scale : array-like of shape (n_features,), default=None
            Multiplies the coefficients; the features' standard deviations make
            those of different units comparable. A Series is taken by name.
        max_features : int, default=20
            At most so many, those with the greatest coefficients.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : CoefficientDisplay
        """
        clf = plain(clf)
        coef = dense(clf.coef_)
        display = cls(
            coef, classes=clf.classes_[-len(coef) :], feature_names=feature_names(clf)
        )
        return display._scaled(scale)._greatest(max_features).plot(ax)

    @classmethod
    def from_inference(
        cls, result, *, level=0.95, reference=None, scale=None, max_features=20, ax=None
    ):
        """Draw the coefficients of `infer`'s result with confidence intervals.

        Parameters
        ----------
        result : InferenceResult
        level : float, default=0.95
        reference : label of a class, default=None
            As in `InferenceResult.coef_table`.
        scale, max_features, ax
            As in `from_estimator`.

        Returns
        -------
        display : CoefficientDisplay
        """
        if not hasattr(result, "coef_table"):
            kind = type(result).__name__
            raise TypeError(f"result must be what infer returns, got a {kind}.")
        table = result.coef_table(level, reference)
        classes = table["class"].unique()
        names = list(result.feature_names)
        start = int(names[0] == INTERCEPT)
        coef, lower, upper = (
            table[name].to_numpy().reshape(len(classes), -1)[:, start:]
            for name in ("coef", "lower", "upper")
        )
        versus = "" if reference is None else f" against class {literal(reference)}"
        display = cls(
            coef,
            classes=classes,
            feature_names=names[start:],
            lower=lower,
            upper=upper,
            label=f"Coefficient{versus}, {100 * level:g}% interval",
        )
        return display._scaled(scale)._greatest(max_features).plot(ax)

    def _scaled(self, scale):
        """Multiply coefficients and intervals by the features' scale, if any."""
        if scale is not None:
            d = self.coef.shape[1]
            if hasattr(scale, "iloc") or hasattr(scale, "columns"):
                names = scale.columns if hasattr(scale, "columns") else scale.index
                scale = rearranged(scale, names, self.feature_names, "scale")
            if np.shape(scale) == (1, d):  # polars' X.std() is a frame
                scale = np.ravel(scale)
            if np.shape(scale) != (d,):
                raise ValueError(
                    f"scale must be {d} numbers, one for each feature, such as "
                    f"np.std(X, axis=0); its shape is {np.shape(scale)}."
                )
            scale = np.asarray(scale, dtype=float)
            if not (scale >= 0).all():
                raise ValueError(
                    "scale has negative entries or NaN: pass spreads, such as "
                    "np.std(X, axis=0)."
                )
            self.coef = self.coef * scale
            if self.lower is not None:
                self.lower, self.upper = self.lower * scale, self.upper * scale
            self.label += ", times the features' scale"
        return self

    def _greatest(self, max_features):
        """Keep the features with the greatest coefficients, in their order."""
        check_scalar(max_features, "max_features", numbers.Integral, min_val=1)
        size = np.abs(self.coef).max(axis=0)
        keep = np.sort(np.argsort(-size, kind="stable")[:max_features])
        self.coef = self.coef[:, keep]
        if self.lower is not None:
            self.lower, self.upper = self.lower[:, keep], self.upper[:, keep]
        self.feature_names = [self.feature_names[j] for j in keep]
        return self

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        display : CoefficientDisplay
        """
        n_rows, n_features = np.shape(self.coef)
        height = max(2.5, 0.8 + n_features * (0.16 + 0.12 * n_rows))
        ax = axes(ax, width=7.2, height=height)
        ax.axvline(0, color=GREY, linewidth=1, zorder=0)
        self.artists_ = []
        for k, label in enumerate(self.classes):
            shift = 0.7 * ((k + 0.5) / n_rows - 0.5)  # so that dots do not overlap
            reach = None
            if self.lower is not None:
                reach = [self.coef[k] - self.lower[k], self.upper[k] - self.coef[k]]
            dots = ax.errorbar(
                self.coef[k],
                np.arange(n_features) + shift,
                xerr=reach,
                linestyle="none",
                **dot_style(k),
                markersize=5,
                elinewidth=1.5,
                label=literal(label),
            )
            self.artists_.append(dots)
        ax.set_yticks(np.arange(n_features), [*map(literal, self.feature_names)])
        ax.set_ylim(n_features - 0.5, -0.5)
        for j in range(1, n_features):
            ax.axhline(j - 0.5, color="0.9", linewidth=0.8, zorder=0)
        ax.set_xlabel(self.label)
        legend(ax, self.artists_, "Class")
        return drawn(self, ax)


class ProbabilityDisplay:
    """Predicted probability of each class along one feature, the others held.

    Parameters
    ----------
    values : ndarray of shape (n_points,)
        Of the feature.
    proba : ndarray of shape (n_points, K)
    classes : array-like of shape (K,)
    feature_name : str
    deciles : ndarray of shape (9,), default=None
        Of the feature in the data, drawn as ticks: where there are none there are
        few data.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_ : list of matplotlib Line2D
        One for each class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.display import ProbabilityDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> classifier = SoftmaxClassifier().fit(X, y)
    >>> display = ProbabilityDisplay.from_estimator(
    ...     classifier, X, "petal length (cm)"
    ... )
    >>> display.proba[[0, -1]].argmax(axis=1)
    array([0, 2])
    """

    def __init__(self, values, proba, *, classes, feature_name, deciles=None):
        self.values = values
        self.proba = proba
        self.classes = classes
        self.feature_name = feature_name
        self.deciles = deciles

    @classmethod
    def from_estimator(cls, clf, X, feature, *, at=None, grid_resolution=100, ax=None):
        """Predict along a feature and draw.

        Parameters
        ----------
        clf : classifier with predict_proba
            Fitted; also a pipeline.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            From which the range of the feature and the values of the others are
            taken.
        feature : str or int
            Name or position, of a numeric one.
        at : mapping, default=None
            Values of other features, by name or position, instead of the means and,
            of a frame's columns that hold no numbers, the most frequent values.
        grid_resolution : int, default=100
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : ProbabilityDisplay
        """
        check_scalar(grid_resolution, "grid_resolution", numbers.Integral, min_val=2)
        if not isinstance(at, (Mapping, type(None))):
            raise TypeError(
                f"at must map names or positions of features to values, got {at!r}."
            )
        names, held, column = _along(X, feature)
        j = position(names, feature)
        values = np.linspace(column.min(), column.max(), grid_resolution)
        for key, value in (at or {}).items():
            if position(names, key) == j:
                raise ValueError(
                    f"at has a value for {feature!r}, the feature that is drawn: leave "
                    "it out."
                )
            held[position(names, key)] = value
        held[j] = values
        grid = [np.broadcast_to(np.asarray(value), grid_resolution) for value in held]
        if hasattr(X, "columns"):
            import pandas as pd

            grid = pd.DataFrame(dict(enumerate(grid))).infer_objects()
            grid.columns = X.columns
        else:
            grid = np.column_stack(grid)
        return cls(
            values,
            clf.predict_proba(grid),
            classes=clf.classes_,
            feature_name=names[j],
            deciles=np.quantile(column, np.arange(1, 10) / 10),
        ).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        display : ProbabilityDisplay
        """
        ax = axes(ax, width=7.2)
        self.lines_ = [
            ax.plot(self.values, proba, **line_style(k), label=literal(label))[0]
            for k, (proba, label) in enumerate(
                zip(np.transpose(self.proba), self.classes, strict=True)
            )
        ]
        if self.deciles is not None:
            ax.vlines(
                self.deciles,
                0,
                0.03,
                transform=ax.get_xaxis_transform(),
                color="0.3",
                linewidth=1,
            )
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel(literal(self.feature_name))
        ax.set_ylabel("Probability")
        legend(ax, self.lines_, "Class")
        return drawn(self, ax)


def _along(X, feature):
    """Names of the features, what they are held at, and the column of one, (n,)."""
    if not hasattr(X, "columns"):
        X = X.tocsr() if sparse.issparse(X) else np.asarray(X, dtype=float)
        names = [f"x{j}" for j in range(X.shape[1])]
        column = dense(X[:, [position(names, feature)]]).ravel()
        return names, np.ravel(X.mean(axis=0)).tolist(), column
    names = [str(name) for name in X.columns]
    j, cells = position(names, feature), getattr(X, "iloc", X)
    try:
        column = np.asarray(cells[:, j])
        if column.dtype.kind in "mM":
            raise TypeError("times are no numbers")
        column = column.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"feature {feature!r} is not numeric: draw one that is, or use "
            "scikit-learn's PartialDependenceDisplay with categorical_features."
        ) from error
    column = column[~np.isnan(column)]  # a pipeline may impute what is missing
    return names, [_typical(cells[:, i]) for i in range(len(names))], column


def _typical(column):
    """The mean of a frame's column of numbers, else its most frequent value."""
    import pandas as pd

    coded = isinstance(getattr(column, "dtype", None), pd.CategoricalDtype)
    column = pd.Series(np.asarray(column)).infer_objects()
    coded |= pd.api.types.is_bool_dtype(column)
    if pd.api.types.is_numeric_dtype(column) and not coded:
        return column.astype(float).mean()
    return next(iter(column.mode()), None)
