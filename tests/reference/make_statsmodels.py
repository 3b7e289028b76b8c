"""Write anes96.csv and statsmodels.json: what statsmodels makes of anes96.

    python make_statsmodels.py

anes96 is the American National Election Study of 1996, which statsmodels ships and
says is in the public domain. Needs statsmodels (the file names the version).
"""

import json
from pathlib import Path

import numpy as np
import statsmodels
import statsmodels.api as sm

HERE = Path(__file__).parent
FEATURES = ["logpopul", "selfLR", "age", "educ", "income"]


def fit(model, y, X, **cov):
    # MNLogit takes cov_type but warns that its optimiser does not
    result = getattr(sm, model)(y, sm.add_constant(X)).fit(
        method="newton", tol=1e-14, maxiter=100, disp=0
    )
    if cov:
        result = result._results
        result._get_robustcov_results(use_self=True, **cov)
    return result


def values(array):
    return np.asarray(array).T.tolist()  # by class, as our tables are


def main():
    data = sm.datasets.anes96.load_pandas().data
    data = data[[*FEATURES, "vote", "PID"]]
    data.to_csv(HERE / "anes96.csv", index=False)
    X, y = data[FEATURES], data["PID"].astype(int)
    groups = np.arange(len(y)) // 10

    reference = {"statsmodels": statsmodels.__version__}
    for name, model, target in (
        ("multinomial", "MNLogit", y),
        ("binary", "Logit", (y > 3).astype(int)),
    ):
        result = fit(model, target, X)
        clustered = {"cov_type": "cluster", "groups": groups, "use_correction": False}
        reference[name] = {
            "params": values(result.params),
            "bse": values(result.bse),
            "pvalues": values(result.pvalues),
            "conf_int": np.reshape(result.conf_int().to_numpy(), (-1, 2)).tolist(),
            "llf": result.llf,
            "llnull": result.llnull,
            "prsquared": result.prsquared,
            "aic": result.aic,
            "bic": result.bic,
            "bse_robust": values(fit(model, target, X, cov_type="HC0").bse),
            "bse_cluster": values(fit(model, target, X, **clustered).bse),
            "margeff": {},
        }
        for key, options in (
            ("overall", {"at": "overall"}),
            ("mean", {"at": "mean"}),
            ("mapping", {"at": "mean", "atexog": {1: 5.0, 3: 50.0}}),
        ):
            effects = result.get_margeff(**options)
            reference[name]["margeff"][key] = {
                "effect": values(effects.margeff),
                "se": values(effects.margeff_se),
            }

    # of the second class, and not of more: for MNLogit these two raise
    binary = (y > 3).astype(int)
    for key, columns, options in (
        ("dummy", ["selfLR", "vote"], {"dummy": True}),
        ("eyex", FEATURES, {"method": "eyex"}),
    ):
        effects = fit("Logit", binary, data[columns]).get_margeff(**options)
        reference[key] = {
            "effect": values(effects.margeff),
            "se": values(effects.margeff_se),
        }
    (HERE / "statsmodels.json").write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
