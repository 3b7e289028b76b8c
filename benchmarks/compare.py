"""SoftmaxClassifier beside LogisticRegression on raw features.

Both at their default settings (LogisticRegression's solver is lbfgs) on the data
sets that scikit-learn ships. Prints a table, then how logits become the
probabilities of one flower. Run it with ``python benchmarks/compare.py``.
"""

import time
import warnings

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from sk_softmax import SoftmaxClassifier

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
}
MODELS = SoftmaxClassifier, LogisticRegression
N_FITS = 5


def log_loss(coef, intercept, X, y):
    """Mean cross-entropy of coefficients (K, d), or (1, d) for two classes."""
    logits = X @ coef.T + intercept
    if len(coef) == 1:
        logits = np.column_stack([np.zeros(len(X)), logits])
    return np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(y)), y])


def objective(model, X, y):
    """Mean cross-entropy plus the l2 penalty, from the coefficients alone.

    Written here a second time, so that neither model is scored by its own code.
    """
    penalty = np.sum(model.coef_**2) / (2 * model.C * len(y))
    return log_loss(model.coef_, model.intercept_, X, y) + penalty


def optimum(X, y):
    """The least objective that either model reaches with a very small tolerance."""
    tight = (
        SoftmaxClassifier(tol=1e-14, max_iter=10_000),
        LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000),
    )
    with warnings.catch_warnings():
        # what is asked may be more than float64 has; the objective decides
        warnings.simplefilter("ignore")
        return min(objective(model.fit(X, y), X, y) for model in tight)


def timed_fit(model, X, y):
    """The fitted model, the median seconds of `N_FITS` fits and one's warnings."""
    seconds = []
    for _ in range(N_FITS):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = time.perf_counter()
            model.fit(X, y)
            seconds.append(time.perf_counter() - start)
    return model, np.median(seconds), caught


def print_table():
    """Log-loss, suboptimality, iterations, seconds and warnings, side by side."""
    columns = "log-loss subopt. iter. seconds warn."
    titles = "  ".join(f"{f' {model.__name__} ':-^{len(columns)}}" for model in MODELS)
    print(f"{'':20}  {titles}")
    print(f"{'raw features':20}  {columns}  {columns}")
    messages = {}
    for name, load in DATA.items():
        X, y = load(return_X_y=True)
        frequency = np.bincount(y) / len(y)
        without_features = -np.sum(frequency * np.log(frequency))
        least = optimum(X, y)
        line = f"{f'{name} {len(X)}x{X.shape[1]}':20}"
        for model in MODELS:
            fitted, seconds, caught = timed_fit(model(), X, y)
            above = max(objective(fitted, X, y) - least, 0)
            line += (
                f"  {log_loss(fitted.coef_, fitted.intercept_, X, y):8.5f}"
                f" {above / (without_features - least):7.0e}"
                f" {fitted.n_iter_.max():5d} {seconds:7.4f} {len(caught):5d}"
            )
            for warning in caught:
                first_line = str(warning.message).splitlines()[0]
                text = f"{model.__name__}: {warning.category.__name__}: {first_line}"
                messages.setdefault(text, []).append(name)
        print(line)
    print(
        "\n"
        "log-loss  mean cross-entropy on the training rows, without the penalty\n"
        "subopt.   (F - F*) / (F0 - F*): F the penalised objective, F* the least of\n"
        "          two very tight fits, F0 the best model without features\n"
        "iter.     n_iter_: SoftmaxClassifier counts passes over the data,\n"
        "          LogisticRegression steps of lbfgs, each one pass or more\n"
        f"seconds   median of {N_FITS} fits, BLAS and OpenMP at one thread"
    )
    print(f"warn.     warnings of one fit{':' if messages else ''}")
    for text, names in messages.items():
        print(f"  {text}\n    on {', '.join(names)}")


def print_flower():
    """One iris, its logits and the softmax of them."""
    iris = load_iris()
    model = SoftmaxClassifier().fit(iris.data, iris.target)
    row = 133  # a virginica that looks much like a versicolor
    x = iris.data[row]
    logits = model.coef_ @ x + model.intercept_
    said = model.predict_proba(x[None])[0]
    print(f"\nFrom logits to probabilities: iris number {row}, a ", end="")
    print(iris.target_names[iris.target[row]])
    for feature, value in zip(iris.feature_names, x, strict=True):
        print(f"  {feature:18}{value:4.1f}")
    print(f"{'':13}{'logit':>8}{'exp(logit)':>12}{'its part':>10}{'predict_proba':>15}")
    table = zip(iris.target_names, logits, softmax(logits), said, strict=True)
    for name, logit, part, proba in table:
        print(f"  {name:11}{logit:8.3f}{np.exp(logit):12.4f}{part:10.4f}{proba:15.4f}")
    print(f"  {'sum':11}{'':8}{np.exp(logits).sum():12.4f}", end="")
    print(f"{softmax(logits).sum():10.4f}{said.sum():15.4f}")


if __name__ == "__main__":
    # The better setting for both on data this small: with two threads
    # LogisticRegression was 2 to 20 times slower on wine to digits, on two cores.
    with threadpool_limits(limits=1):
        print_table()
    print_flower()
