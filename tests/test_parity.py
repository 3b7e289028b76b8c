"""The optimum is that of glmnet, nnet and scikit-learn's saga, option by option.

What R says of anes96.csv is tracked, with the script that asked, in reference/.
glmnet's convergence threshold is 1e-19 there: at 1e-14 it is off by 5e-6 of the
greatest coefficient itself.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from sk_softmax import SoftmaxClassifier

REFERENCE = Path(__file__).parent / "reference"
INF = np.inf
# scikit-learn 1.9's saga takes the elastic net from l1_ratio alone; before 1.8 it
# wants the penalty's name
NEEDS_PENALTY = LogisticRegression().l1_ratio is None

with open(REFERENCE / "anes96.csv", encoding="utf-8") as file:
    ANES96 = list(csv.DictReader(file))
with open(REFERENCE / "glmnet.csv", encoding="utf-8") as file:
    GLMNET = {}
    for line in csv.DictReader(file):
        _, _, *theta = line.values()
        GLMNET.setdefault(line["case"], []).append([float(v) for v in theta])


def column(name):
    return np.array([float(row[name]) for row in ANES96])


# As in make_glmnet.R
X = np.column_stack(
    [column(c) for c in ("logpopul", "selfLR", "age", "educ", "income")]
)
X = (X - [2, 4, 47, 4, 16]) / [3, 1.5, 16, 1.5, 6]
LABELS = {"binomial": column("vote"), "multinomial": column("PID")}
ROW = np.arange(len(X))
WEIGHT = 1 + (ROW % 4) / 2
OFFSET = {
    "binomial": X[:, 2] / 2,
    "multinomial": np.outer(X[:, 3], np.arange(-3, 4) / 6),
}
FACTORS = np.array([1, 0.5, 2, 0, 3])
BOUNDS = ([-0.05, -0.3, -0.02, 0, -INF], [0.05, 0.3, INF, 0.1, 0.02])


def counts(y):
    one_hot = y[:, None] == np.unique(y)
    K = one_hot.shape[1]
    return (0.7 * one_hot + 0.3 / K) * (1 + ROW % 3)[:, None]


# lambda and the options of a case; alpha is the l1_ratio
CASES = {
    "lasso": (0.02, {}),
    "weak lasso": (0.001, {}),
    "elastic net": (0.02, {"l1_ratio": 0.5}),
    "ridge": (0.02, {"l1_ratio": 0.0}),
    "factors": (0.02, {"penalty_factor": FACTORS}),
    "bounds": (0.005, {"bounds": BOUNDS}),
    "bounds on ridge": (0.005, {"bounds": BOUNDS, "l1_ratio": 0.0}),
    "offset": (0.02, {"l1_ratio": 0.5, "offset": True}),
    "weights": (0.02, {"l1_ratio": 0.5, "weights": True}),
    "no intercept": (0.02, {"fit_intercept": False}),
    "soft labels": (0.01, {"soft": True}),
    "everything": (
        0.01,
        {
            "l1_ratio": 0.5,
            "soft": True,
            "penalty_factor": FACTORS + 0.1,
            "bounds": BOUNDS,
            "weights": True,
            "offset": True,
        },
    ),
}
GROUPED = {
    "lasso": (0.05, {}),
    "elastic net": (0.05, {"l1_ratio": 0.5}),
    "factors": (0.05, {"penalty_factor": FACTORS}),
    "offset and weights": (0.05, {"offset": True, "weights": True}),
}


def fit(family, strength, *, offset=False, weights=False, soft=False, **options):
    """Our fit at glmnet's lambda = 1 / (C * sum of weights)."""
    y, weight = LABELS[family], WEIGHT if weights else np.ones(len(X))
    y = counts(y) if soft else y
    total = (weight * y.sum(axis=1)).sum() if soft else weight.sum()
    options = {"l1_ratio": 1.0, **options}
    classifier = SoftmaxClassifier(1 / (strength * total), tol=0, **options)
    return classifier.fit(X, y, weight, offset=OFFSET[family] if offset else None)


def assert_parity(classifier, case, unpenalised=()):
    theirs = np.array(GLMNET[case])
    coef, intercept = classifier.coef_.copy(), classifier.intercept_
    if len(coef) > 1:  # a constant on all classes changes nothing
        theirs[:, 0] -= theirs[:, 0].mean()
        intercept = intercept - intercept.mean()
        for j in unpenalised:
            coef[:, j] -= coef[:, j].mean()
            theirs[:, 1 + j] -= theirs[:, 1 + j].mean()
    for ours, other in ((coef, theirs[:, 1:]), (intercept, theirs[:, 0])):
        atol = 1e-6 * np.abs(theirs).max()
        np.testing.assert_allclose(ours, other, rtol=0, atol=atol)


@pytest.mark.parametrize("family", LABELS)
@pytest.mark.parametrize("case", CASES)
def test_glmnet(family, case):
    strength, options = CASES[case]
    unpenalised = [3] if case == "factors" else []
    assert_parity(fit(family, strength, **options), f"{family} {case}", unpenalised)


@pytest.mark.parametrize("case", GROUPED)
def test_glmnet_grouped(case):
    strength, options = GROUPED[case]
    classifier = fit("multinomial", strength, penalty_group="class", **options)
    assert_parity(classifier, f"grouped {case}", [3] if case == "factors" else [])


def test_every_case_of_glmnet_is_compared():
    cases = {f"{family} {case}" for family in LABELS for case in CASES}
    assert cases | {f"grouped {case}" for case in GROUPED} == set(GLMNET)


def test_glmnet_cases_are_not_trivial():
    """Zeros and others in the lassos, coefficients at bounds and inside."""
    for case in ("binomial lasso", "multinomial lasso", "grouped offset and weights"):
        coef = np.array(GLMNET[case])[:, 1:]
        assert (coef == 0).any() and (coef != 0).any()
    coef = np.array(GLMNET["multinomial everything"])[:, 1:]
    at = np.isclose(coef, BOUNDS[0]) | np.isclose(coef, BOUNDS[1])
    assert at.any() and not at.all()


def test_nnet_counts():
    """multinom without a penalty, on counts of three parties for each pair of answers.

    It gives the coefficients relative to the first class.
    """
    answers = np.column_stack([column("selfLR"), column("educ")])
    party = np.digitize(column("PID"), [2, 5])
    cells, cell = np.unique(answers, axis=0, return_inverse=True)
    Y = np.zeros((len(cells), 3))
    np.add.at(Y, (cell.ravel(), party), 1)
    classifier = SoftmaxClassifier(C=INF, tol=0).fit(cells, Y)
    theta = np.column_stack([classifier.intercept_, classifier.coef_])
    theirs = np.loadtxt(REFERENCE / "nnet_counts.csv", delimiter=",")
    np.testing.assert_allclose(
        theta[1:] - theta[0], theirs, rtol=0, atol=1e-6 * np.abs(theirs).max()
    )


# saga


def saga(X, y, C, l1_ratio, weight=None):
    parameters = {"l1_ratio": l1_ratio, "solver": "saga", "C": C}
    if NEEDS_PENALTY:
        parameters["penalty"] = "elasticnet"
    classifier = LogisticRegression(
        tol=1e-10, max_iter=20_000, random_state=0, **parameters
    )
    return classifier.fit(X, y, weight)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
@pytest.mark.parametrize("l1_ratio", [0.4, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_saga(load, name, l1_ratio, weighted):
    """On standardised features, without which saga does not get there."""
    X, y = load(name)
    if name == "digits":
        X, y = X[::9], y[::9]
    deviation = X.std(axis=0)
    X = ((X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1))[:, :20]
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    C = 0.05 if name == "digits" else 0.1
    theirs = saga(X, y, C, l1_ratio, weight)  # of sparse rows it takes much longer
    atol = 1e-6 * np.abs(theirs.coef_).max()
    for Z in X, sparse.csr_matrix(X):
        ours = SoftmaxClassifier(C, l1_ratio=l1_ratio, tol=0).fit(Z, y, weight)
        assert (ours.coef_ != 0).any() and (ours.coef_ == 0).any()
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=atol)
        intercepts = np.array([ours.intercept_, theirs.intercept_])
        if len(ours.coef_) > 1:  # a constant on all classes changes nothing
            intercepts -= intercepts.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(*intercepts, rtol=0, atol=2e-5)
