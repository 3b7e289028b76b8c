"""Inference: statsmodels' and R's numbers, and identities."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from inference_cases import (
    FEATURES,
    MODELS,
    REFERENCE,
    anes96,
    assert_close,
    case,
    ml,
    pd,
    task,
)
from scipy import sparse
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sk_softmax import SoftmaxClassifier, SoftmaxClassifierCV, _information, _rows
from sk_softmax.inference import infer, marginal_effects


def by_hand(X, y, classifier, weight=None):
    """Scores of the rows (n, N) and the information (N, N), row by row."""
    theta = np.column_stack([classifier.intercept_, classifier.coef_])
    design = np.column_stack([np.ones(len(X)), X])
    P = softmax(design @ theta.T, axis=1)
    R = (P - np.eye(len(theta))[y])[:, 1:]
    weight = np.ones(len(X)) if weight is None else weight
    scores = (R[:, :, None] * design[:, None]).reshape(len(X), -1)
    information = 0
    for p, x, w in zip(P[:, 1:], design, weight, strict=True):
        information += w * np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
    return scores, information


# statsmodels and R


@pytest.mark.parametrize("model", MODELS)
def test_table_is_statsmodels(model):
    X, y, classifier, reference = case(model)
    table = infer(classifier, X, y).coef_table(reference=0)
    assert_close(table["coef"], np.ravel(reference["params"]))
    assert_close(table["se"], np.ravel(reference["bse"]))
    assert_close(table["p"], np.ravel(reference["pvalues"]))
    assert_close(table[["lower", "upper"]], reference["conf_int"])
    assert_close(table["z"], np.ravel(reference["params"]) / np.ravel(reference["bse"]))


@pytest.mark.parametrize("model", MODELS)
def test_likelihoods_are_statsmodels(model):
    X, y, classifier, reference = case(model)
    result = infer(classifier, X, y)
    assert result.loglik == pytest.approx(reference["llf"], rel=1e-9)
    assert result.loglik_null == pytest.approx(reference["llnull"], rel=1e-6)
    assert result.pseudo_r2 == pytest.approx(reference["prsquared"], rel=1e-6)
    assert result.aic == pytest.approx(reference["aic"], rel=1e-9)
    assert result.bic == pytest.approx(reference["bic"], rel=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_sandwiches_are_statsmodels(model):
    X, y, classifier, reference = case(model)
    robust = infer(classifier, X, y, cov_type="robust")
    assert_close(
        robust.coef_table(reference=0)["se"], np.ravel(reference["bse_robust"])
    )
    groups = np.arange(len(y)) // 10
    clustered = infer(classifier, X, y, cov_type="cluster", groups=groups)
    n_groups = len(np.unique(groups))
    correction = np.sqrt(n_groups / (n_groups - 1))
    assert_close(
        clustered.coef_table(reference=0)["se"],
        np.ravel(reference["bse_cluster"]) * correction,
    )


def test_covariance_is_nnets():
    X, y = anes96()[0][FEATURES], anes96()[1]["multinomial"]
    result = infer(ml(X, y), X, y)
    coef = np.loadtxt(REFERENCE / "nnet_coef.csv", delimiter=",")
    vcov = np.loadtxt(REFERENCE / "nnet_vcov.csv", delimiter=",")
    assert_close(result.free_coef, coef)
    se = np.sqrt(np.diag(vcov))
    # each entry in units of its standard errors, so that the small ones count
    scale = np.multiply.outer(se, se)
    assert_close(result.covariance_against(0) / scale, vcov / scale)


# By hand


def test_model_and_robust_covariance_by_hand():
    X, y = task()
    classifier = ml(X, y)
    scores, information = by_hand(X, y, classifier)
    inverse = np.linalg.inv(information)
    model = infer(classifier, X, y)
    assert_close(model.free_covariance / inverse, np.ones_like(inverse))
    sandwich = inverse @ scores.T @ scores @ inverse
    robust = infer(classifier, X, y, cov_type="robust")
    assert_close(robust.free_covariance, sandwich)


@pytest.mark.parametrize("weight_type", ["frequency", "sampling"])
def test_weighted_sandwich_by_hand(weight_type):
    X, y = task()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    classifier = ml(X, y, weight)
    result = infer(
        classifier,
        X,
        y,
        sample_weight=weight,
        cov_type="robust",
        weight_type=weight_type,
    )
    scores, information = by_hand(X, y, classifier, weight)
    power = 1 if weight_type == "frequency" else 2
    inverse = np.linalg.inv(information)
    meat = (scores * weight[:, None] ** power).T @ scores
    assert_close(result.free_covariance, inverse @ meat @ inverse)


def test_class_weights_count_in_the_sandwich():
    X, y = task()
    counts = np.random.default_rng(1).integers(1, 4, len(y))
    by_class = {0: 1.0, 1: 2.0, 2: 0.5}
    classifier = ml(X, y, counts, class_weight=by_class)
    result = infer(
        classifier,
        X,
        y,
        sample_weight=counts,
        cov_type="robust",
        weight_type="frequency",
    )
    c = np.array([by_class[k] for k in y])
    scores, information = by_hand(X, y, classifier, counts * c)
    inverse = np.linalg.inv(information)
    meat = (scores * (counts * c**2)[:, None]).T @ scores
    assert_close(result.free_covariance, inverse @ meat @ inverse)
    assert np.isnan(result.aic) and np.isnan(result.bic)


def test_penalised_covariance_by_hand():
    X, y = task()
    C = 1e-4
    classifier = ml(X, y, C=C)
    result = infer(classifier, X, y)
    # in the plane of coefficients that sum to zero the penalty is |W|^2 / 2 C
    _, information = by_hand(X, y, classifier)
    basis = np.linalg.qr(np.column_stack([np.ones(3), np.eye(3)[:, 1:]]))[0][:, 1:]
    free = np.kron(basis[1:] - basis[0], np.eye(4))  # of the plane's coordinates
    penalty = np.kron(np.eye(2), np.diag([0, *[1 / C] * 3]))
    H = free.T @ information @ free + penalty
    plane = np.kron(basis, np.eye(4))
    assert_close(result.covariance, plane @ np.linalg.inv(H) @ plane.T)
    df = np.trace(np.linalg.solve(H, free.T @ information @ free))
    assert result.df == pytest.approx(df)
    assert 2 < result.df < 8
    assert "penalised (l2, C=0.0001)" in result.cov_label
    assert "penalised" in repr(result.summary())


def test_penalty_by_class_and_prior_keep_the_contrasts_covariance():
    """The common part of a feature's coefficients is profiled out."""
    X, y = task()
    X = StandardScaler().fit_transform(X)
    rng = np.random.default_rng(3)
    factor = rng.uniform(0.5, 2, (3, 3))
    classifier = ml(
        X, y, C=0.1, penalty_factor=factor, coef_prior=rng.normal(size=(3, 3))
    )
    result = infer(classifier, X, y)  # the step to the optimum would warn
    # all coefficients are free but the first class's intercept
    design = np.column_stack([np.ones(len(X)), X])
    P = classifier.predict_proba(X)
    H = sum(
        np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
        for p, x in zip(P, design, strict=True)
    )
    H += np.diag(np.column_stack([np.zeros(3), factor / 0.1]).ravel())
    covariance = np.zeros((12, 12))
    covariance[1:, 1:] = np.linalg.inv(H[1:, 1:])
    contrast = np.kron([[-1, 1, 0], [-1, 0, 1]], np.eye(4))
    assert_close(result.free_covariance, contrast @ covariance @ contrast.T)


# What must come to the same


def test_frequency_weights_are_repeated_rows():
    X, y = task()
    counts = np.random.default_rng(2).integers(0, 4, len(y))
    Xr, yr = np.repeat(X, counts, axis=0), np.repeat(y, counts)
    groups = np.arange(len(y)) % 20
    for cov_type in ("model", "robust", "cluster"):
        clustered = cov_type == "cluster"
        weighted = infer(
            ml(X, y, counts),
            X,
            y,
            sample_weight=counts,
            weight_type="frequency",
            cov_type=cov_type,
            groups=groups if clustered else None,
        )
        repeated = infer(
            ml(Xr, yr),
            Xr,
            yr,
            cov_type=cov_type,
            groups=np.repeat(groups, counts) if clustered else None,
        )
        assert_close(weighted.covariance, repeated.covariance)
        for name in ("n_obs", "loglik", "loglik_null", "aic", "bic"):
            ours, theirs = getattr(weighted, name), getattr(repeated, name)
            assert ours == pytest.approx(theirs, rel=1e-9)
    options = {"sample_weight": counts}
    classifier = ml(X, y, counts)
    result = infer(classifier, X, y, weight_type="frequency", **options)
    effects = marginal_effects(classifier, X, result=result, **options)
    assert_close(effects["se"], marginal_effects(ml(Xr, yr), Xr)["se"])


def test_a_cluster_of_one_row_each_is_robust():
    X, y = task()
    classifier = ml(X, y)
    n = len(y)
    robust = infer(classifier, X, y, cov_type="robust")
    groups = [f"row {i}" for i in range(n)]
    cluster = infer(classifier, X, y, cov_type="cluster", groups=groups)
    assert_close(cluster.covariance, robust.covariance * n / (n - 1), rtol=1e-10)


def test_distributions_are_no_draws():
    """Their spread is less than a multinomial's, and only the data tell how much."""
    rng = np.random.default_rng(5)
    X, W = rng.normal(size=(400, 2)), np.array([[0, 0], [0.5, -0.3], [0.2, 0.4]])
    P, zs = softmax(X @ W.T, axis=1), []
    for _ in range(60):
        Y = np.array([rng.dirichlet(20 * p) for p in P])
        classifier = ml(X, Y)
        result = infer(classifier, X, Y, cov_type="robust")
        table = result.coef_table(reference=0)
        table = table[table["feature"] != "(intercept)"]
        zs.append((table["coef"] - W[1:].ravel()) / table["se"])
    assert 0.85 < np.std(zs) < 1.15
    assert np.isnan(result.aic)
    with pytest.raises(ValueError, match="soft labels that are no counts"):
        infer(classifier, X, Y)


def test_counts_as_soft_labels_are_repeated_rows():
    X, _ = task()
    Y = np.random.default_rng(4).integers(1, 5, (len(X), 3)).astype(float)
    Xr = np.repeat(X, 3, axis=0)
    yr = np.tile([0, 1, 2], len(X))
    soft = infer(ml(X, Y), X, Y)
    hard = infer(
        ml(Xr, yr, Y.ravel()),
        Xr,
        yr,
        sample_weight=Y.ravel(),
        weight_type="frequency",
    )
    assert_close(soft.covariance, hard.covariance)
    for name in ("n_obs", "loglik", "loglik_null", "bic"):
        assert getattr(soft, name) == pytest.approx(getattr(hard, name), rel=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_sparse_and_blocks_change_nothing(
    make_rows, n_classes, fit_intercept, monkeypatch
):
    X, y, weight = make_rows(500, 4, n_classes)
    X[np.abs(X) < 0.7] = 0
    classifier = ml(X, y, weight, fit_intercept=fit_intercept)
    unweighted = ml(X, y, fit_intercept=fit_intercept)

    def numbers(X):
        results = [
            infer(
                classifier,
                X,
                y,
                sample_weight=weight,
                weight_type="sampling",
                cov_type=cov_type,
                groups=np.arange(500) % 30 if cov_type == "cluster" else None,
            )
            for cov_type in ("robust", "cluster")
        ]
        effects = [
            marginal_effects(classifier, X, kind="contrast", result=results[0]),
            marginal_effects(
                classifier, X, at="mean", sample_weight=weight, result=results[1]
            ),
            marginal_effects(unweighted, X),
        ]
        return np.concatenate(
            [r.covariance.ravel() for r in results] + [table["se"] for table in effects]
        )

    expected = numbers(X)
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2**12)
    assert len(_rows.Rows(sparse.csr_array(X), n_classes).blocks) > 1
    for container in (np.asarray, sparse.csr_matrix, sparse.csc_array):
        assert_close(numbers(container(X)), expected, rtol=1e-10)


@pytest.mark.parametrize("n_entries", [3, 20])
def test_sparse_entries_in_any_order_and_in_parts(n_entries):
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 6, (200, n_entries)).ravel()  # some of them twice
    indptr = np.arange(0, len(indices) + 1, n_entries)
    X = sparse.csr_array((rng.normal(size=len(indices)), indices, indptr), (200, 6))
    y = rng.integers(0, 5, 200)
    theta = np.vstack([np.zeros(7), rng.normal(size=(4, 7))])

    def sums(X):
        likelihood = _information.Likelihood(X, y, 5, None, None, True, shift=False)
        return likelihood.is_thin, likelihood.sums(theta, np.ones(200))

    (is_thin, ours), (_, expected) = sums(X), sums(X.toarray())
    assert is_thin == (n_entries == 3)
    assert len(X.indices) == 200 * n_entries  # as it was
    for actual, desired in zip(ours, expected, strict=True):
        assert_close(actual, desired, rtol=1e-12)


@pytest.mark.parametrize(
    ("C", "cov_type", "n_passes"),
    [(1.0, "robust", 1), (np.inf, "robust", 2), (np.inf, "cluster", 3)],
)
def test_passes_over_the_rows(C, cov_type, n_passes, monkeypatch):
    X, y = task()
    classifier = ml(X, y, C=C)
    design, seen = _information.Likelihood.design, []

    def counting(self, X):
        seen.append(X.shape[0] if X.shape[1] else 0)
        return design(self, X)

    monkeypatch.setattr(_information.Likelihood, "design", counting)
    groups = np.arange(len(y)) if cov_type == "cluster" else None
    infer(classifier, X, y, cov_type=cov_type, groups=groups)
    assert sum(seen) == n_passes * len(y)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [3, 5])
def test_threads_change_no_bit(make_rows, monkeypatch, container, n_classes):
    X, y, _ = make_rows(4000, 5, n_classes)
    X = container(X)
    classifier = ml(X, y)
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2**14)
    monkeypatch.setattr(_rows, "THREADING_FLOPS", 0)
    covariances = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            result = infer(classifier, X, y, cov_type="robust")
        covariances.append(result.covariance)
    np.testing.assert_array_equal(*covariances)


def test_x_is_not_copied(make_rows, monkeypatch):
    # a few blocks are worked on at a time, here small beside X
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2**18)
    X, y, _ = make_rows(120_000, 60, 3)
    classifier = SoftmaxClassifier(C=np.inf).fit(X, y)
    tracemalloc.start()
    infer(classifier, X, y, cov_type="robust")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # vectors of length n: codes, weights, counts and what checks them
    assert peak < 0.5 * X.nbytes


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_sums_by_pairs_of_classes_are_the_same(make_rows, monkeypatch, n_classes):
    X, y, weight = make_rows(300, 4, n_classes)
    theta = np.random.default_rng(0).normal(size=(n_classes, 5))
    sums = []
    for wide in (64, 1):
        monkeypatch.setattr(_information, "WIDE", wide)
        args = X, y, n_classes, weight, None, True
        likelihood = _information.Likelihood(*args)
        assert likelihood.by_pairs == (wide == 1)
        sums.append([*likelihood.sums(theta, np.ones(300)), likelihood.gram()])
    for ours, theirs in zip(*sums, strict=True):
        assert_close(ours, theirs, rtol=1e-12)


def test_partial_sums_are_bounded(make_rows, monkeypatch):
    """As many as `Rows.sum` allows for results of that size: two matrices (K p)^2."""
    X, y, _ = make_rows(300, 4, 3)
    likelihood = _information.Likelihood(X, y, 3, None, None, True)
    sizes, own = [], _rows.Rows.sum

    def watched(rows, function, flops, result_bytes=0):
        sizes.append(result_bytes)
        return own(rows, function, flops, result_bytes)

    monkeypatch.setattr(_rows.Rows, "sum", watched)
    likelihood.sums(np.zeros((3, 5)), np.ones(300))
    assert sizes == [2 * 8 * 15**2]
    likelihood = _information.Likelihood(X, y > 0, 2, None, None, True)
    likelihood.sums(np.zeros((2, 5)))
    assert sizes[1:] == [8 * 5**2]


def test_nothing_of_the_data_is_kept():
    X, y = (a.copy() for a in task())
    classifier = ml(X, y)
    result = infer(classifier, X, y)
    held = [weakref.ref(X), weakref.ref(y)]
    del X, y
    gc.collect()
    assert [ref() for ref in held] == [None, None]
    assert not any(isinstance(v, SoftmaxClassifier) for v in vars(result).values())


def test_float32_data():
    X, y = task()
    X = X - X.mean(axis=0)
    exact = infer(ml(X, y), X, y)
    X = X.astype(np.float32)
    result = infer(SoftmaxClassifier(C=np.inf, tol=1e-7).fit(X, y), X, y)
    assert result.covariance.dtype == np.float64
    assert_close(result.covariance, exact.covariance, rtol=1e-3)


def test_features_far_from_zero_cost_no_digits():
    X, y = task()
    near = infer(ml(X, y), X, y)
    far = X + np.array([1e9, 0, 0])
    classifier = ml(X, y)
    classifier.intercept_ = classifier.intercept_ - 1e9 * classifier.coef_[:, 0]
    result = infer(classifier, far, y)
    slopes = np.arange(12).reshape(3, 4)[:, 1:].ravel()
    expected = near.covariance[np.ix_(slopes, slopes)]
    assert_close(result.covariance[np.ix_(slopes, slopes)], expected, rtol=1e-4)


def test_offset():
    X, y = task()
    offset = np.random.default_rng(5).normal(size=(len(y), 3)) * 2
    classifier = ml(X, y, None, offset)
    result = infer(classifier, X, y, offset=offset)
    log_proba = classifier.predict_log_proba(X, offset)
    assert result.loglik == pytest.approx(log_proba[np.arange(len(y)), y].sum())
    # the model without features: a feature that is zero
    zero = np.zeros((len(y), 1))
    null = ml(zero, y, None, offset, C=1.0).predict_log_proba(zero, offset)
    assert result.loglik_null == pytest.approx(null[np.arange(len(y)), y].sum())
    shifted = infer(ml(X, y, None, offset + 3), X, y, offset=offset + 3)
    assert_close(shifted.covariance, result.covariance)
    effects = marginal_effects(classifier, X, at="mean", offset=offset)
    mean = np.vstack([X.mean(axis=0) + h for h in ([0, 0, 0], [1e-5, 0, 0])])
    p = classifier.predict_proba(mean, np.tile(offset.mean(axis=0), (2, 1)))
    assert_close(effects["effect"][::3], (p[1] - p[0]) / 1e-5, rtol=1e-4)


def test_null_likelihood_with_great_offsets():
    """Where probabilities are saturated, so that full Newton steps run away."""
    y = np.tile([0, 1, 2], 100)
    offset = np.zeros((300, 3))
    offset[:, 0] = np.repeat([40, -40], 150)

    def null(offset):
        likelihood = _information.Likelihood(
            np.zeros((300, 1)), y, 3, None, offset, True
        )
        return _information.null_log_likelihood(likelihood)

    # the intercept that gives class 0 two thirds of the first rows gives it no
    # chance, exp(-80), in the others
    first = 50 * np.log(2 / 3) + 100 * np.log(1 / 6)
    rest = 50 * (np.log(2) - 80) + 100 * np.log(1 / 2)
    assert null(offset) == pytest.approx(first + rest)
    shift = [1000.0, 0, -1000]
    assert null(offset + shift) == pytest.approx(first + rest)


def test_offset_of_two_classes():
    X, y = anes96()[0][FEATURES], anes96()[1]["binary"]
    full = ml(X, y)
    # what age does is known: the others' covariance is that given age
    offset = full.coef_[0, 2] * X["age"].to_numpy()
    rest = X.drop(columns="age")
    result = infer(ml(rest, y, None, offset), rest, y, offset=offset)
    keep = [0, 1, 2, 4, 5]
    information = np.linalg.inv(infer(full, X, y).covariance)
    assert_close(result.covariance, np.linalg.inv(information[np.ix_(keep, keep)]))


def test_a_sparsified_classifier():
    X, y = task()
    classifier = ml(X, y)
    expected = infer(classifier, X, y).covariance
    assert_close(infer(classifier.sparsify(), X, y).covariance, expected)


@pytest.mark.parametrize("cv", [3, "approximate-loo"])
@pytest.mark.parametrize("cov_type", ["model", "robust"])
def test_a_classifier_that_chose_its_own_C(cv, cov_type):
    X, y = task()
    X = pd.DataFrame(StandardScaler().fit_transform(X), columns=["a", "b", "c"])
    parameters = {"tol": 1e-12, "penalty_factor": [0.5, 2.0, 1.0]}
    if cov_type == "robust":
        parameters["class_weight"] = "balanced"
    chosen = SoftmaxClassifierCV([0.01, 0.1], cv=cv, **parameters).fit(X, y)
    plain = SoftmaxClassifier(chosen.C_, **parameters).fit(X, y)
    before = dict(vars(chosen))
    result = infer(chosen, X, y, cov_type=cov_type)
    expected = infer(plain, X, y, cov_type=cov_type)
    assert result.cov_label == expected.cov_label
    assert pytest.approx(chosen.C_) == result.C
    assert_close(result.covariance, expected.covariance)
    effects = marginal_effects(chosen, X, result=result)
    assert_close(effects["se"], marginal_effects(plain, X, result=expected)["se"])
    assert vars(chosen) == before


def test_the_lasso_of_a_cross_validation_is_refused():
    X, y = task()
    X = StandardScaler().fit_transform(X)
    lasso = SoftmaxClassifierCV([0.01, 0.1], l1_ratios=[1.0]).fit(X, y)
    with pytest.raises(ValueError, match=r"l1_ratio=1\.0: .* bootstrap"):
        infer(lasso, X, y)
    with pytest.raises(NotFittedError):
        infer(SoftmaxClassifierCV(), X, y)


def test_means_of_folds_are_not_an_optimum():
    X, y = (array[:60] for array in task())
    folds = SoftmaxClassifierCV([np.inf], refit=False, cv=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="standard errors away"):
        infer(folds, X, y)
