"""Displays of how a model was found: path, scores over C, convergence."""

import numbers

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ._arguments import solver_options
from ._display_style import GREY, axes, axis_of_C, drawn, legend, line_style, literal
from ._encode import problem_for
from ._fitted import validated
from ._optimum import Fit
from ._solver import solve


class PathDisplay:
    """Coefficients over C.

    Parameters
    ----------
    Cs : ndarray of shape (n_Cs,)
    coefs : ndarray of shape (n_Cs, K, n_features)
    classes : array-like of shape (K,), default=None
    feature_names : list of str, default=None

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_ : list of matplotlib Line2D
        One for each feature.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_softmax import softmax_path
    >>> from sk_softmax.display import PathDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = PathDisplay.from_path(softmax_path(X, y, Cs=20, l1_ratio=1.0))
    >>> len(display.lines_)
    4
    """

    def __init__(self, Cs, coefs, *, classes=None, feature_names=None):
        self.Cs = np.asarray(Cs)
        self.coefs = np.asarray(coefs)
        self.classes = classes
        self.feature_names = feature_names

    @classmethod
    def from_path(
        cls, path, *, classes=None, feature_names=None, target_class=None, ax=None
    ):
        """Draw the result of `softmax_path`.

        Parameters
        ----------
        path : result of softmax_path
            Of which ``Cs``, ``coefs`` and ``classes`` are read.
        classes : array-like of shape (K,), default=None
            None is the path's own.
        feature_names : list of str, default=None
            None is the path's own.
        target_class, ax
            As in `plot`.

        Returns
        -------
        display : PathDisplay
        """
        if not hasattr(path, "coefs"):
            kind = type(path).__name__
            raise TypeError(f"path must be what softmax_path returns, got a {kind}.")
        if classes is not None and len(classes) != len(path.classes):
            raise ValueError(
                f"classes has {len(classes)} labels, but the path has "
                f"{len(path.classes)}: pass a label for each class."
            )
        classes = path.classes if classes is None else classes
        if feature_names is None:
            feature_names = path.feature_names
        display = cls(path.Cs, path.coefs, classes=classes, feature_names=feature_names)
        return display.plot(ax, target_class=target_class)

    def plot(self, ax=None, *, target_class=None, n_labels=7):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        target_class : label of a class, default=None
            Whose coefficients to draw; None is the norm of each feature's
            coefficients over the classes or, of two classes, their one row.
        n_labels : int, default=7
            How many features, the greatest, to name and draw in colour.

        Returns
        -------
        display : PathDisplay
        """
        check_scalar(n_labels, "n_labels", numbers.Integral, min_val=0)
        n_features = self.coefs.shape[2]
        names = self.feature_names
        names = [f"x{j}" for j in range(n_features)] if names is None else list(names)
        if len(names) != n_features:
            raise ValueError(
                f"feature_names has {len(names)} names, but there are {n_features} "
                "features: pass a name for each."
            )
        curves, label = self._curves(target_class)
        ax = axes(ax, width=8)
        Cs = axis_of_C(ax, self.Cs)
        ax.axhline(0, color=GREY, linewidth=1, zorder=0)
        order = np.argsort(-np.abs(curves[np.argmax(self.Cs)]), kind="stable")
        named = [j for j in order[:n_labels] if curves[:, j].any()]
        self.lines_ = [None] * n_features
        markersize = 4 if len(Cs) == 1 else None  # a line of one point shows nothing
        for j in range(n_features):
            if j not in named:
                style = {**line_style(0, markersize), "color": "0.8", "linewidth": 0.8}
            else:
                k = named.index(j)
                style = {**line_style(k, markersize), "label": literal(names[j])}
            (self.lines_[j],) = ax.plot(
                Cs, curves[:, j], **style, zorder=1 + (j in named)
            )
        ax.set_ylabel(label)
        handles = [self.lines_[j] for j in named]
        if handles:
            legend(ax, handles)
        return drawn(self, ax)

    def _curves(self, target_class):
        """The curves, (n_Cs, n_features), and a label for them."""
        K = self.coefs.shape[1]
        if target_class is None:
            if K == 1:
                return self.coefs[:, 0], "Coefficient"
            return np.linalg.norm(self.coefs, axis=1), "Norm over classes"
        classes = np.arange(K) if self.classes is None else np.asarray(self.classes)
        (code,) = np.nonzero(classes[-K:] == target_class)
        if len(code) != 1:
            raise ValueError(
                f"target_class={target_class!r} is none of {classes[-K:].tolist()}, "
                "the classes that have coefficients."
            )
        return self.coefs[:, code[0]], f"Coefficient of class {literal(target_class)}"


class CVScoreDisplay:
    """Cross-validated score over C: mean and standard error, best and 1-se choice.

    Parameters
    ----------
    Cs : ndarray of shape (n_Cs,)
    scores_mean, scores_se : ndarrays of shape (n_l1_ratios, n_Cs) or (n_Cs,)
    C_best, C_1se : float, default=None
        Marked where given.
    l1_ratios : array-like of shape (n_l1_ratios,), default=None
    score_name : str, default="Score"

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_, bands_ : lists of matplotlib Line2D and PolyCollection
        One for each l1 ratio.
    marks_ : dict of str to matplotlib Line2D
        The vertical lines "best" and "1se", where given.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sk_softmax import SoftmaxClassifierCV
    >>> from sk_softmax.display import CVScoreDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> cv = SoftmaxClassifierCV(Cs=[0.01, 0.1, 1.0, 10.0]).fit(X, y)
    >>> display = CVScoreDisplay.from_estimator(cv)
    >>> sorted(display.marks_)
    ['1se', 'best']
    """

    def __init__(
        self,
        Cs,
        scores_mean,
        scores_se,
        *,
        C_best=None,
        C_1se=None,
        l1_ratios=None,
        score_name="Score",
    ):
        self.Cs = np.asarray(Cs)
        self.scores_mean = np.atleast_2d(scores_mean)
        self.scores_se = np.atleast_2d(scores_se)
        self.C_best = C_best
        self.C_1se = C_1se
        self.l1_ratios = l1_ratios
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, cv, *, score_name=None, ax=None):
        """Draw the scores of a fitted SoftmaxClassifierCV.

        Parameters
        ----------
        cv : SoftmaxClassifierCV
            Of which ``Cs_``, ``scores_mean_``, ``scores_se_``, ``C_1se_`` and
            ``l1_ratios_`` are read. The best C is that of the greatest mean.
        score_name : str, default=None
            None is `scoring` where that is a name.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : CVScoreDisplay
        """
        if not hasattr(cv, "scores_mean_"):
            check_is_fitted(cv)
            raise TypeError(
                f"{type(cv).__name__} is not a SoftmaxClassifierCV. Of a pipeline pass "
                "pipe[-1]."
            )
        if score_name is None:
            scoring = cv.scoring or "neg_log_loss"
            score_name = scoring if isinstance(scoring, str) else "Score"
        mean = cv.scores_mean_
        return cls(
            cv.Cs_,
            mean,
            cv.scores_se_,
            C_best=cv.Cs_[np.unravel_index(np.nanargmax(mean), mean.shape)[1]],
            C_1se=cv.C_1se_,
            l1_ratios=cv.l1_ratios_,
            score_name=score_name,
        ).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        display : CVScoreDisplay
        """
        ax = axes(ax)
        Cs, self.lines_, self.bands_, self.marks_ = axis_of_C(ax, self.Cs), [], [], {}
        for k, (mean, se) in enumerate(
            zip(self.scores_mean, self.scores_se, strict=True)
        ):
            label = "mean and standard error"
            if len(self.scores_mean) > 1 and self.l1_ratios is not None:
                label = f"l1_ratio={self.l1_ratios[k]:g}"
            style = line_style(k, markersize=4)
            (line,) = ax.plot(Cs, mean, **style, label=label)
            band = ax.fill_between(
                Cs, mean - se, mean + se, color=style["color"], alpha=0.2, lw=0
            )
            self.lines_.append(line)
            self.bands_.append(band)
        for name, C, dash in (("best", self.C_best, "-"), ("1se", self.C_1se, "--")):
            if C is not None:
                text = f"{name}: C={C:.3g}"
                self.marks_[name] = ax.axvline(
                    min(C, Cs.max()),
                    color="0.3",
                    linestyle=dash,
                    linewidth=1.2,
                    label=text,
                )
        ax.set_ylabel(self.score_name)
        ax.legend()
        return drawn(self, ax)


class ConvergenceDisplay:
    """Relative suboptimality over the passes over the data.

    Parameters
    ----------
    n_passes : ndarray of shape (n_points,)
        Evaluations of the objective and Hessian products so far.
    suboptimality : ndarray of shape (n_points,)
        (F - F*) / (F0 - F*), with F0 the objective without features and F* the least
        that a fit to the last digits finds.
    tol : float, default=None
        Drawn as a line where given.
    name : str, default=None
        Of the curve, in the legend.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    line_ : matplotlib Line2D

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.display import ConvergenceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = SoftmaxClassifier().fit(X, y)
    >>> display = ConvergenceDisplay.from_estimator(classifier, X, y)
    >>> bool(display.suboptimality[-1] <= classifier.tol)
    True
    """

    def __init__(self, n_passes, suboptimality, *, tol=None, name=None):
        self.n_passes = n_passes
        self.suboptimality = suboptimality
        self.tol = tol
        self.name = name

    @classmethod
    def from_estimator(
        cls, clf, X, y, *, sample_weight=None, offset=None, name=None, ax=None
    ):
        """Solve the problem of a fitted classifier again, and draw how it goes.

        Parameters
        ----------
        clf : SoftmaxClassifier or SoftmaxClassifierCV
            Fitted; it is left as it is. Of the latter the fit with the C it chose.
        X, y, sample_weight, offset
            As of ``clf.fit``.
        name : str, default=None
            Of the curve; None is the solver's.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : ConvergenceDisplay
        """
        clf, X, y, sample_weight, offset = validated(clf, X, y, sample_weight, offset)
        problem, _ = problem_for(clf, X, y, sample_weight, offset)
        trace = []

        def record(n_passes, point, _):
            trace.append((n_passes, point.value))

        with problem.rows.threads():
            null = Fit(problem, None, tol=0.0, max_iter=1).null.value
            solve(problem, **solver_options(clf), progress=record)
            best = solve(problem, tol=0.0, max_iter=10 * clf.max_iter).value
        n_passes, value = map(np.array, zip((1, null), *trace, strict=True))
        best = min(best, value.min())
        # distances below rounding are not known: draw them at rounding
        eps = np.finfo(problem.rows.dtype).eps
        gain = null - best
        if gain <= eps * abs(best):  # the model without features is the optimum
            suboptimality = np.full(len(value), eps)
        else:
            floor = eps * abs(best) / gain
            suboptimality = np.maximum((value - best) / gain, floor)
        name = clf.solver if name is None else name
        return cls(n_passes, suboptimality, tol=clf.tol, name=name).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure; that of another display compares the two.

        Returns
        -------
        display : ConvergenceDisplay
        """
        ax = axes(ax)
        k = sum(line.get_gid() == "convergence" for line in ax.lines)
        if self.tol and not any(line.get_gid() == "tol" for line in ax.lines):
            label = f"tol={self.tol:g}"
            ax.axhline(self.tol, color="0.3", linestyle=":", label=label, gid="tol")
        (self.line_,) = ax.plot(
            self.n_passes,
            self.suboptimality,
            **line_style(k, markersize=5),
            label=self.name,
            gid="convergence",
        )
        ax.set_yscale("log")
        ax.set_xlabel("Passes over the data")
        ax.set_ylabel("Relative suboptimality")
        ax.legend()
        return drawn(self, ax)
