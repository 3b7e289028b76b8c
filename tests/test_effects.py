"""Marginal effects: statsmodels' numbers, finite differences, what is refused."""

import numpy as np
import pandas as pd
import pytest
from inference_cases import (
    FEATURES,
    MODELS,
    STATSMODELS,
    anes96,
    assert_close,
    case,
    ml,
    task,
)
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV
from sk_softmax.inference import infer, marginal_effects


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("at", ["overall", "mean", {"logpopul": 5.0, 2: 50.0}])
def test_marginal_effects_are_statsmodels(model, at):
    X, _, classifier, reference = case(model)
    effects = marginal_effects(classifier, X, at=at)
    reference = reference["margeff"]["mapping" if isinstance(at, dict) else at]
    n = np.size(reference["effect"])  # of the second class only, where there are two
    assert_close(effects["effect"][-n:], np.ravel(reference["effect"]))
    assert_close(effects["se"][-n:], np.ravel(reference["se"]))


@pytest.mark.parametrize("kind", ["dummy", "eyex"])
def test_effects_of_two_classes_are_statsmodels(kind):
    X = anes96()[0][["selfLR", "vote"] if kind == "dummy" else FEATURES]
    classifier = ml(X, anes96()[1]["binary"])
    options = {"discrete": ["vote"]} if kind == "dummy" else {"kind": "eyex"}
    effects = marginal_effects(classifier, X, **options)
    effects = effects[effects["class"] == 1]
    assert_close(effects["effect"], STATSMODELS[kind]["effect"])
    assert_close(effects["se"], STATSMODELS[kind]["se"])


@pytest.mark.parametrize("kind", ["dydx", "eyex", "contrast"])
@pytest.mark.parametrize("at", ["overall", "mean", {"age": 30.0}])
def test_effects_by_finite_differences(kind, at):
    X = anes96()[0][["age", "selfLR", "vote"]]
    classifier = ml(X, np.minimum(anes96()[1]["multinomial"], 3))
    result = infer(classifier, X, np.minimum(anes96()[1]["multinomial"], 3))
    discrete = [] if kind == "eyex" else ["vote"]
    effects = marginal_effects(classifier, X, at=at, kind=kind, discrete=discrete)
    rows = X.to_numpy(float)
    if at != "overall":
        rows = rows.mean(axis=0, keepdims=True)
        if at != "mean":
            rows[:, 0] = 30

    def expected(free):
        theta = np.vstack([np.zeros(4), free.reshape(3, 4)])

        def proba(x):
            return softmax(theta[:, 0] + x @ theta[:, 1:].T, axis=1)

        columns = []
        for j in range(3):
            low, high = rows.copy(), rows.copy()
            if j == 2 and discrete:
                low[:, j], high[:, j] = 0, 1
                columns.append((proba(high) - proba(low)).mean(axis=0))
            elif kind == "contrast":
                high[:, j] += 1
                columns.append((proba(high) - proba(low)).mean(axis=0))
            else:
                high[:, j] += 1e-4
                low[:, j] -= 1e-4
                slope = (proba(high) - proba(low)) / 2e-4
                if kind == "eyex":
                    slope *= rows[:, [j]] / proba(rows)
                columns.append(slope.mean(axis=0))
        return np.array(columns).T.ravel()

    free = result.free_coef.ravel()
    assert_close(effects["effect"], expected(free))
    J = np.array(
        [(expected(free + h) - expected(free - h)) / 2e-4 for h in 1e-4 * np.eye(12)]
    )
    se = np.sqrt(np.diag(J.T @ result.free_covariance @ J))
    assert_close(effects["se"], se, rtol=1e-5)


def test_effects_at_other_rows_with_a_result():
    X, y = task()
    classifier = ml(X, y, class_weight="balanced")
    robust = infer(classifier, X, y, cov_type="robust")
    effects = marginal_effects(classifier, X, result=robust)
    # class weights are of the fit; they do not count in the mean of the effects
    step = [[1e-5, 0, 0]]
    slope = classifier.predict_proba(X + step) - classifier.predict_proba(X)
    assert_close(effects["effect"][::3], slope.mean(axis=0) / 1e-5, rtol=1e-4)
    one = marginal_effects(classifier, X[:1], result=robust)
    assert_close(one["effect"][::3], slope[0] / 1e-5, rtol=1e-4)
    assert (one["se"] > 0).all()


def test_bad_arguments_of_marginal_effects():
    X, y = task()
    classifier = ml(X, y)
    bad = [
        ("kind='dyex' must be", {"kind": "dyex"}),
        ("at='median' must be", {"at": "median"}),
        ("no feature is called 'age'", {"at": {"age": 3}}),
        ("feature 3 is not a position from 0 to 2", {"features": [3]}),
        ("'x0' has 300 values in X", {"discrete": ["x0"]}),
    ]
    for message, arguments in bad:
        with pytest.raises(ValueError, match=message):
            marginal_effects(classifier, X, **arguments)
    dummy = (X > X.mean(axis=0)).astype(float)
    with pytest.raises(ValueError, match="an elasticity needs derivatives"):
        marginal_effects(ml(dummy, y), dummy, kind="eyex", discrete=[0])
    weight = np.ones(len(y))
    weight[0], dummy[0] = 0, 7  # a row that is not there
    weighted = ml(dummy, y, weight)
    options = {"sample_weight": weight, "weight_type": "frequency"}
    result = infer(weighted, dummy, y, **options)
    options = {"sample_weight": weight, "result": result}
    marginal_effects(weighted, dummy, discrete=[0, 1, 2], **options)
    other = infer(ml(dummy, y), dummy, y)
    with pytest.raises(ValueError, match="another fit"):
        marginal_effects(classifier, X, result=other)


@pytest.mark.parametrize("C", [np.inf, 1.0])
def test_rows_that_were_not_observed_once_need_a_result(C):
    X, y = task()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    Y = np.random.default_rng(1).integers(1, 5, (len(y), 3))
    cv = SoftmaxClassifierCV(Cs=[C], cv=2).fit(X, y, weight)
    even = weight / weight.mean()  # which weigh as much as rows observed once
    one = [ml(X, y, w, C=C) for w in (weight, even)]
    shares = [ml(X, Z, C=C) for Z in (Y, Y / Y.sum(axis=1, keepdims=True))]
    for weighed in (*one, *shares, cv):
        with pytest.raises(ValueError, match=r"X has 300 rows, .* Pass result"):
            marginal_effects(weighed, X)
    classifier = ml(X, y, C=C)
    with pytest.raises(ValueError, match=r"X has 299 rows, .* weighed 300: "):
        marginal_effects(classifier, X[1:])
    with pytest.raises(ValueError, match=r"sample_weight needs result: .* weight_type"):
        marginal_effects(classifier, X, sample_weight=weight)
    same = marginal_effects(ml(X, y, np.ones(len(y)), C=C), X)
    pd.testing.assert_frame_equal(same, marginal_effects(classifier, X))


def test_a_fit_that_did_not_converge_is_not_passed_over_in_silence():
    X, y = task()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        classifier = SoftmaxClassifier(max_iter=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="larger max_iter, or pass result"):
        marginal_effects(classifier, X)
    with pytest.warns(ConvergenceWarning, match="standard errors away"):
        result = infer(classifier, X, y)
    marginal_effects(classifier, X, result=result)


def test_a_stream_has_seen_more_rows_than_its_last():
    X, y = task()
    classifier = SoftmaxClassifier(tol=1e-10, classes=[0, 1, 2])
    classifier.partial_fit(X[:200], y[:200])
    classifier.partial_fit(X[200:], y[200:])
    with pytest.raises(ValueError, match=r"X has 100 rows, .* weighed 300: "):
        marginal_effects(classifier, X[200:])
    whole = SoftmaxClassifier(tol=1e-10).fit(X, y)
    streamed, expected = (marginal_effects(c, X)["se"] for c in (classifier, whole))
    assert_close(streamed, expected, rtol=0.05)


def test_features_selects():
    X, y = task()
    classifier = ml(X, y)
    whole = marginal_effects(classifier, X)
    part = marginal_effects(classifier, X, features=["x2", 0])
    assert list(part["feature"]) == ["x2", "x0"] * 3
    assert_close(part["se"], whole["se"].to_numpy().reshape(3, 3)[:, [2, 0]].ravel())
    assert_close(whole.groupby("feature")["effect"].sum() + 1, np.ones(3))


def test_a_name_is_one_feature_and_a_mask_is_none(load):
    pandas = pytest.importorskip("pandas")
    X, y = load("iris")
    X = pandas.DataFrame(X, columns=["length", "width", "petal length", "petal width"])
    classifier = SoftmaxClassifier().fit(X, y)
    one = marginal_effects(classifier, X, features="width")
    assert set(one["feature"]) == {"width"}
    with pytest.raises(ValueError, match="features must be names or positions"):
        marginal_effects(classifier, X, features=[True, False, False, False])
    with pytest.raises(TypeError, match=r"1\.7 is no name or position"):
        marginal_effects(classifier, X, features=[1.7])


@pytest.mark.parametrize("kind", ["dydx", "contrast"])
@pytest.mark.parametrize("at", ["overall", "mean"])
def test_features_far_from_zero_cost_no_digits(kind, at):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X + rng.gumbel(size=X.shape)).argmax(axis=1)
    near = marginal_effects(ml(X, y), X, kind=kind, at=at)
    X = X + 1e8
    far = marginal_effects(ml(X, y), X, kind=kind, at=at)
    assert_close(far["effect"], near["effect"])
    assert_close(far["se"], near["se"])


def test_values_of_at_are_one_number_for_each_feature():
    X, y = task()
    classifier = ml(X, y)
    with pytest.raises(ValueError, match=r"at=.* has two values for the same feature"):
        marginal_effects(classifier, X, at={"x0": 1, 0: 3})
    with pytest.raises(ValueError, match=r"^at: could not"):
        marginal_effects(classifier, X, at={0: "a"})
    with pytest.raises(ValueError, match=r"at=.* one value for each feature"):
        marginal_effects(classifier, X, at={0: [1, 2]})
    with pytest.raises(ValueError, match="level='a' must be at least"):
        marginal_effects(classifier, X, level="a")
    assert_close(
        marginal_effects(classifier, X, at={})["effect"],
        marginal_effects(classifier, X, at="mean")["effect"],
    )
