"""Tables of estimates, as a DataFrame, as text and as HTML."""

import html
import numbers

import numpy as np
from scipy.special import ndtr, ndtri


class Summary:
    """A table of coefficients below facts about the model, as text or as HTML.

    Parameters
    ----------
    facts : dict of str to str
    table : pandas.DataFrame
        As of `InferenceResult.coef_table`.
    level : float
        Of its confidence limits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sk_softmax import SoftmaxClassifier
    >>> from sk_softmax.inference import infer
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X = X[["mean texture", "mean area"]]
    >>> result = infer(SoftmaxClassifier(C=np.inf, tol=1e-10).fit(X, y), X, y)
    >>> result.summary()
    Coefficients          class 1 against 0
    Covariance            model
    Weights               none
    Rows                  569
    Degrees of freedom    3
    Log-likelihood        -144.488
    Without features      -375.72
    Pseudo R2 (McFadden)  0.6154
    AIC                   294.975
    BIC                   308.007
    ======================================================================
     class      feature     coef       se      z      p   [0.025    0.975]
    ----------------------------------------------------------------------
         1  (intercept)    12.24    1.151  10.63 <0.001    9.987      14.5
         1 mean texture  -0.2115  0.03681 -5.745 <0.001  -0.2836   -0.1393
         1    mean area -0.01197 0.001177 -10.17 <0.001 -0.01428 -0.009667
    """

    def __init__(self, facts, table, level):
        self.facts = facts
        self.table = table
        self.level = level

    def _shown(self):
        """The table with its numbers as strings."""
        shown = self.table.copy()
        for name in ("se", "z", *shown.columns[2:3], "lower", "upper"):
            shown[name] = [f"{v:.4g}" for v in self.table[name]]
        shown["p"] = ["<0.001" if p < 0.001 else f"{p:.3f}" for p in self.table["p"]]
        low, high = (1 - self.level) / 2, (1 + self.level) / 2
        return shown.rename(columns={"lower": f"[{low:.3g}", "upper": f"{high:.3g}]"})

    def __repr__(self):
        width = max(map(len, self.facts))
        facts = [f"{name:{width}}  {value}" for name, value in self.facts.items()]
        lines = self._shown().to_string(index=False).splitlines()
        rule = "-" * len(lines[0])
        for i in range(len(self.table) - 1, 0, -1):
            if self.table["class"].iloc[i] != self.table["class"].iloc[i - 1]:
                lines.insert(i + 1, rule)
        return "\n".join([*facts, "=" * len(rule), lines[0], rule, *lines[1:]])

    def _repr_html_(self):
        facts = "".join(
            f"<tr><th style='text-align: left'>{html.escape(name)}</th>"
            f"<td style='text-align: left'>{html.escape(value)}</td></tr>"
            for name, value in self.facts.items()
        )
        return f"<table>{facts}</table>{self._shown().to_html(index=False, border=0)}"


def normal_table(classes, names, estimate, se, level, column):
    """Estimates (len(classes), len(names)) with z tests and limits, a DataFrame."""
    import pandas as pd

    # below a half it is an alpha, and the intervals of 5 % would look like any others
    if not (isinstance(level, numbers.Real) and 0.5 <= level < 1):
        raise ValueError(
            f"level={level!r} must be at least 0.5 and below 1: it is the coverage of "
            "the intervals, level=0.95 where statsmodels' alpha is 0.05."
        )
    estimate, se = estimate.ravel(), se.ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        z = estimate / se
    reach = ndtri((1 + level) / 2) * se
    return pd.DataFrame(
        {
            "class": np.repeat(classes, len(names)),
            "feature": np.tile(np.asarray(names, dtype=object), len(classes)),
            column: estimate,
            "se": se,
            "z": z,
            "p": 2 * ndtr(-np.abs(z)),
            "lower": estimate - reach,
            "upper": estimate + reach,
        }
    )
