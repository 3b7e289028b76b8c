"""
Odds ratios from a table of counts
==================================

In 1973 the six largest graduate departments of Berkeley admitted 45 % of the men who
applied and 30 % of the women. But each department decides for itself, and most of them
did nothing of the kind. Three models of the same 4,526 applications, with intervals.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sk_softmax import SoftmaxClassifier
from sk_softmax.display import CoefficientDisplay
from sk_softmax.inference import infer

# P. J. Bickel, E. A. Hammel and J. W. O'Connell, "Sex bias in graduate admissions: data
# from Berkeley", Science 187 (1975), 398-404; men first, then women
y = pd.DataFrame(
    {
        "admitted": [512, 353, 120, 138, 53, 22, 89, 17, 202, 131, 94, 24],
        "rejected": [313, 207, 205, 279, 138, 351, 19, 8, 391, 244, 299, 317],
    }
)
woman = np.repeat([0.0, 1.0], 6)
department = pd.get_dummies(np.tile(list("ABCDEF"), 2), dtype=float)
for name, rows in (("men", slice(6)), ("women", slice(6, 12))):
    share = y["admitted"][rows].sum() / y[rows].to_numpy().sum()
    print(f"{share:.0%} of the {name} were admitted")

# %%
# Twelve rows with counts for soft labels are as good as 4,526 rows. The first model
# knows the sex alone, the second the department too, and the third has a sex ratio for
# each department.

models = {
    "sex alone": pd.DataFrame({"woman": woman}),
    "given the department": department.drop(columns="A").assign(woman=woman),
    "in each": department.drop(columns="A").join(
        department.mul(woman, axis=0).add_prefix("woman in ")
    ),
}
results = {}
for title, X in models.items():
    results[title] = infer(SoftmaxClassifier(C=np.inf).fit(X, y), X, y)
print(results["given the department"].summary(reference="rejected"))

# %%
# Women applied to departments that rejected most applicants. Within a department
# their odds are those of the men, but for A, where they are better. The likelihood
# ratio says that the departments do differ in this. Its warning asks whether `woman`,
# which the larger model has not got, is a combination of its columns: it is the sum of
# those of the departments.

test = results["in each"].likelihood_ratio_test(results["given the department"])
print(f"chi2 = {test.statistic:.1f}, df = {test.df}, p = {test.p_value:.1g}")

ratios = pd.concat(
    [
        result.coef_table(reference="rejected").assign(model=title)
        for title, result in results.items()
    ]
)
ratios = ratios[ratios["feature"].str.startswith("woman")]
names = [
    feature if model == "in each" else model
    for model, feature in zip(ratios["model"], ratios["feature"], strict=True)
]
display = CoefficientDisplay(
    ratios[["coef"]].T.to_numpy(),
    classes=["admitted"],
    feature_names=names,
    lower=ratios[["lower"]].T.to_numpy(),
    upper=ratios[["upper"]].T.to_numpy(),
    label="odds of women, relative to men's, with 95 % intervals",
).plot()
marks = [0.5, 1, 2, 4]
display.ax_.set_xticks(np.log(marks), marks)
display.ax_.get_legend().remove()
plt.show()
