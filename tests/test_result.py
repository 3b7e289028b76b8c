"""InferenceResult: gauges, tables, tests of hypotheses."""

from dataclasses import replace

import numpy as np
import pytest
from inference_cases import (
    FEATURES,
    anes96,
    assert_close,
    ml,
    pd,
    task,
)
from scipy.stats import chi2
from sklearn.datasets import load_breast_cancer

from sk_softmax import SoftmaxClassifier
from sk_softmax.inference import infer


def test_the_symmetric_gauge_is_that_of_the_classifier():
    X, y = task()
    classifier = ml(X, y)
    result = infer(classifier, X, y)
    assert_close(result.coef[:, 0], classifier.intercept_)
    assert_close(result.coef[:, 1:], classifier.coef_)
    assert result.gauge == "sum to zero over the classes"
    table = result.coef_table()
    assert_close(table["coef"], result.coef.ravel())
    assert_close(table["se"], np.sqrt(np.diag(result.covariance)))
    # no variance along what the gauge fixes, and full rank otherwise
    total = np.kron(np.ones((1, 3)), np.eye(4))
    scale = np.sqrt(np.diag(result.covariance))
    assert np.abs(total @ result.covariance / scale).max() < 1e-9 * scale.max()
    correlation = result.covariance / scale / scale[:, None]
    assert np.linalg.matrix_rank(correlation, tol=1e-8) == result.df == 8


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_contrasts_do_not_depend_on_the_first_class(reference):
    X, y = task()
    table = infer(ml(X, y), X, y).coef_table(reference=reference)
    labels = np.roll([0, 1, 2], 1)[y]  # another class is the first
    rolled = infer(ml(X, labels), X, labels)
    rolled = rolled.coef_table(reference=np.roll([0, 1, 2], 1)[reference])
    assert reference not in set(table["class"])
    for k in set(table["class"]):
        ours = table[table["class"] == k][["coef", "se", "lower", "upper"]]
        other = rolled["class"] == np.roll([0, 1, 2], 1)[k]
        assert_close(ours, rolled[other][["coef", "se", "lower", "upper"]])


def test_two_classes_are_the_second_against_the_first():
    X, y = anes96()[0][FEATURES], np.where(anes96()[1]["binary"], "R", "D")
    result = infer(ml(X, y), X, y)
    assert result.gauge == "class R against D"
    table = result.coef_table()
    assert set(table["class"]) == {"R"}
    pd.testing.assert_frame_equal(table, result.coef_table(reference="D"))
    turned = result.coef_table(reference="R")
    assert set(turned["class"]) == {"D"}
    assert_close(turned["coef"], -table["coef"])
    assert_close(turned["se"], table["se"])


def test_odds_ratios():
    X, y = task()
    result = infer(ml(X, y), X, y)
    table, odds = result.coef_table(0.9), result.coef_table(0.9, exponentiate=True)
    assert_close(odds["odds_ratio"], np.exp(table["coef"]))
    assert_close(odds[["lower", "upper"]], np.exp(table[["lower", "upper"]]))
    assert_close(odds["se"], table["se"] * odds["odds_ratio"])
    assert_close(odds[["z", "p"]], table[["z", "p"]])
    reach = (table["upper"] - table["coef"]) / table["se"]
    assert_close(reach, np.full(12, 1.6448536269514722))
    limits = result.conf_int(0.9)
    assert list(limits) == ["class", "feature", "lower", "upper"]
    assert_close(limits["lower"], table["lower"])


def test_wald_test_by_hand():
    X, y = task()
    result = infer(ml(X, y), X, y)
    free = [1, 5]  # x0 in the two classes after the first
    w = result.free_coef.ravel()[free]
    V = result.free_covariance[np.ix_(free, free)]
    test = result.wald_test("x0")
    assert test.df == 2
    assert test.statistic == pytest.approx(w @ np.linalg.solve(V, w))
    assert test.p_value == pytest.approx(chi2.sf(test.statistic, 2))
    assert result.wald_test(["x0"]) == test
    with pytest.raises(TypeError, match="restrictions must be names of features"):
        result.wald_test(0)
    # the same in other words: in the gauge of coef_, where one of three follows
    R = np.zeros((3, 3, 4))
    R[np.arange(3), np.arange(3), 1] = 1
    same = result.wald_test(R.reshape(3, -1))
    assert same.df == 2
    assert same.statistic == pytest.approx(test.statistic)
    same = result.wald_test(np.eye(8)[[1, 5]], reference=1)
    assert same.statistic == pytest.approx(test.statistic)


def test_wald_test_of_one_coefficient_is_z_squared():
    X, y = task()
    result = infer(ml(X, y), X, y)
    for reference in (None, 2):
        row = result.coef_table(reference=reference).iloc[3]
        R = np.eye(12 if reference is None else 8)[3]
        test = result.wald_test(R, 0.25, reference=reference)
        z = (row["coef"] - 0.25) / row["se"]
        assert (test.df, test.statistic) == (1, pytest.approx(z**2))


def test_wald_test_knows_neither_the_units_of_rows_nor_of_features():
    X, y = task()
    result = infer(ml(X, y), X, y)
    R, value = np.eye(12)[[1, 5]], np.array([0.1, -0.2])
    test = result.wald_test(R, value)
    for scale in (1e-17, 1e17):
        size = np.array([1.0, scale])
        same = result.wald_test(R * size[:, None], value * size)
        assert (same.df, same.statistic) == (2, pytest.approx(test.statistic))
    # a row that follows from others, and its value from theirs
    again = result.wald_test([*R, 1e5 * R[0] - R[1]], [*value, 1e5 * 0.1 + 0.2])
    assert (again.df, again.statistic) == (2, pytest.approx(test.statistic))
    Z = X * [1e-8, 1.0, 1e8] + [0.0, 1e3, 0.0]
    scaled = infer(ml(Z, y), Z, y)
    for names in ("x0", ["x0", "x1", "x2"]):
        statistic = result.wald_test(names).statistic
        assert scaled.wald_test(names).statistic == pytest.approx(statistic, rel=1e-4)


@pytest.mark.parametrize("other", [1e-5, 1e-6])
def test_wald_test_of_nearly_collinear_features(other):
    """Of both features, which say what those they are made of say."""
    X, y = task()
    mixed = X[:, :2] @ np.array([[1.0, 1.0], [0.0, other]])
    plain = infer(ml(X[:, :2], y), X[:, :2], y).wald_test(["x0", "x1"])
    test = infer(ml(mixed, y), mixed, y).wald_test(["x0", "x1"])
    assert (test.df, test.statistic) == (4, pytest.approx(plain.statistic, rel=1e-2))


def test_likelihood_ratio_test():
    X, y = task()
    large, small = infer(ml(X, y), X, y), infer(ml(X[:, :1], y), X[:, :1], y)
    test = large.likelihood_ratio_test(small)
    assert test.df == 4
    assert test.statistic == pytest.approx(2 * (large.loglik - small.loglik))
    assert test.p_value == pytest.approx(chi2.sf(test.statistic, 4))
    assert small.likelihood_ratio_test(large) == test
    overall = large.likelihood_ratio_test()
    assert overall.df == 6
    assert overall.statistic == pytest.approx(2 * (large.loglik - large.loglik_null))


def test_without_an_intercept():
    X, y = task()
    X = X - X.mean(axis=0)
    classifier = ml(X, y, fit_intercept=False)
    result = infer(classifier, X, y)
    assert result.feature_names == ["x0", "x1", "x2"]
    assert result.loglik_null == pytest.approx(-len(y) * np.log(3))
    assert result.likelihood_ratio_test().df == result.df == 6


def test_likelihood_ratio_test_refuses():
    X, y = task()
    full = infer(ml(X, y), X, y)
    with pytest.raises(ValueError, match=r"equally many parameters.* aic"):
        full.likelihood_ratio_test(full)
    with pytest.raises(ValueError, match="same rows: one has 300, the other 299"):
        full.likelihood_ratio_test(infer(ml(X[1:, :1], y[1:]), X[1:, :1], y[1:]))
    other = np.where(np.arange(len(y)) < 20, 0, y)  # as many rows, but not by class
    with pytest.raises(ValueError, match="labels, weights or offsets differ"):
        full.likelihood_ratio_test(infer(ml(X[:, :1], other), X[:, :1], other))
    offset = np.random.default_rng(0).normal(size=(len(y), 3))
    moved = ml(X[:, :1], y, offset=offset)
    with pytest.raises(ValueError, match="labels, weights or offsets differ"):
        full.likelihood_ratio_test(infer(moved, X[:, :1], y, offset=offset))
    with pytest.raises(ValueError, match=r"\[0, 1, 2\] and \[1, 2, 3\]"):
        full.likelihood_ratio_test(infer(ml(X[:, :1], y + 1), X[:, :1], y + 1))
    penalised = infer(SoftmaxClassifier().fit(X, y), X, y)
    for first, second in ((full, penalised), (penalised, full)):
        with pytest.raises(ValueError, match=r"C=np\.inf"):
            first.likelihood_ratio_test(second)


def test_likelihood_ratio_test_of_models_that_are_not_nested():
    X, y = task()
    X = pd.DataFrame(X, columns=["a", "b", "c"])
    noise = np.random.default_rng(0).normal(size=(len(y), 2))
    noise = pd.DataFrame(noise, columns=["c", "d"])

    def fitted(X, **parameters):
        return infer(ml(X, y, **parameters), X, y)

    with pytest.raises(ValueError, match="the larger has the lower likelihood"):
        fitted(X[["a"]]).likelihood_ratio_test(fitted(noise))
    # which may be nested, and here is
    total = X.assign(total=X["a"] + X["b"])[["total"]]
    with pytest.warns(UserWarning, match=r"columns \['total'\], .* aic or bic"):
        test = fitted(total).likelihood_ratio_test(fitted(X))
    assert test.df == 4
    # a dummy for each of two groups is an intercept
    group = np.arange(len(y)) % 2
    dummies = X.assign(even=group == 0, odd=group == 1).astype(float)
    dummies = fitted(dummies, fit_intercept=False)
    with pytest.warns(UserWarning, match=r"\['\(intercept\)'\]"):
        assert fitted(X).likelihood_ratio_test(dummies).df == 2


def test_wald_test_refuses():
    X, y = task()
    classifier = ml(X, y)
    result = infer(classifier, X, y)
    with pytest.raises(ValueError, match=r"no features are called \['x9'\]"):
        result.wald_test(["x0", "x9"])
    with pytest.raises(ValueError, match="has 5 columns, but there are 12"):
        result.wald_test(np.ones((1, 5)))
    with pytest.raises(ValueError, match="nothing to test"):
        result.wald_test(np.kron(np.ones((1, 3)), np.eye(4)))
    with pytest.raises(ValueError, match="nothing to test"):
        result.wald_test([])
    for wrong in ([["x0"]], [[1, 2], [3]]):
        with pytest.raises(TypeError, match="restrictions must be names of features"):
            result.wald_test(wrong)
    zero, one = np.zeros(12), np.eye(12)[1]
    common = np.kron(np.ones((1, 3)), np.eye(4))[1]  # sums over classes are zero
    for R, value in (
        ([one, one], [0.0, 5.0]),
        ([one, zero], [0.0, 1.0]),
        ([zero], 1.0),
        ([one, common], [0.0, 1.0]),
    ):
        with pytest.raises(ValueError, match="contradict each other"):
            result.wald_test(R, value)
    with pytest.raises(ValueError, match="contradict each other"):
        result.wald_test(["x0", "x0"], [0, 5, 0, 5])
    with pytest.raises(ValueError, match="restrictions are not finite"):
        result.wald_test(one * np.nan)
    with pytest.raises(ValueError, match="value is not finite"):
        result.wald_test("x0", np.nan)
    with pytest.raises(ValueError, match="reference=9 is none of the classes"):
        result.wald_test("x0", reference=9)
    with pytest.raises(TypeError, match="other must be what infer returns, not a Soft"):
        result.likelihood_ratio_test(classifier)
    with pytest.raises(ValueError, match=r"value has shape \(3,\)"):
        result.wald_test(np.eye(12)[:2], value=[0, 0, 0])
    assert result == result != infer(classifier, X, y)  # and not entry by entry
    groups = np.arange(len(y)) % 3
    clustered = infer(classifier, X, y, cov_type="cluster", groups=groups)
    with pytest.raises(ValueError, match="too few groups"):
        clustered.wald_test(["x0", "x1"])


def test_summary():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = X[["mean texture", "mean area"]]
    labels = np.where(y, "benign", "<malignant>")
    result = infer(ml(X, labels), X, labels)
    text = str(result.summary())
    for part in (
        "class benign against <malignant>",
        "Log-likelihood",
        f"{result.loglik:.6g}",
        f"{result.aic:.6g}",
        "mean texture",
        "<0.001",
        "[0.025",
    ):
        assert part in text
    assert len({len(line) for line in text.splitlines()[10:]}) == 1  # a straight table
    page = result._repr_html_()
    assert page == result.summary()._repr_html_()
    assert page.count("<table") == page.count("</table>") == 2
    assert "&lt;malignant&gt;" in page and "<malignant>" not in page
    assert "[0.05" in str(result.summary(level=0.9))
    assert "odds_ratio" in str(result.summary(exponentiate=True))
    assert "against class benign" in str(result.summary(reference="benign"))
    assert "InferenceResult(2 classes, 3 columns" in repr(result)


@pytest.mark.parametrize("weight_type", [None, "frequency", "sampling"])
def test_a_summary_says_what_weights_mean(weight_type):
    X, y = task()
    weight = None if weight_type is None else 1.0 + np.arange(len(y)) % 3
    classifier = SoftmaxClassifier(np.inf, tol=1e-10).fit(X, y, weight)
    options = {"sample_weight": weight, "weight_type": weight_type}
    result = infer(classifier, X, y, cov_type="robust", **options)
    (line,) = (s for s in str(result.summary()).splitlines() if s.startswith("Weights"))
    assert line.split() == ["Weights", weight_type or "none"]


def test_a_summary_has_a_rule_between_classes():
    X, y = task()
    text = str(infer(ml(X, y), X, y).summary()).split("=\n")[-1]
    parts = text.split("---\n")  # the head, and a part for each class
    assert [part.strip("-\n").count("\n") for part in parts] == [0, 3, 3, 3]


def test_a_name_of_several_columns_is_no_restriction():
    X, y = task()
    result = infer(ml(X, y), X, y)
    twice = replace(result, feature_names=["(intercept)", "x0", "x1", "x1"])
    with pytest.raises(ValueError, match=r"names \['x1'\], which several columns"):
        twice.wald_test(["x0", "x1"])
    assert twice.wald_test("x0") == result.wald_test("x0")


def test_two_groups_are_enough():
    X, y = task()
    groups = np.arange(len(y)) % 2
    result = infer(ml(X, y), X, y, cov_type="cluster", groups=groups)
    assert np.isfinite(result.coef_table()["se"]).all()
