"""
Exposure as an offset
=====================

In which of four towns is lung cancer more frequent? The towns have different numbers
of people in each age group, and more people have more cases. The logarithm of the
exposure, here the population, goes into the logits with a coefficient of one: the
*offset*.

Given the number of cases in an age group, independent Poisson counts are multinomial,
with probabilities in proportion to population times rate. Their logarithms are what
softmax regression is about.
"""

import matplotlib.pyplot as plt
import numpy as np

from sk_softmax import SoftmaxClassifier

towns = np.array(["Fredericia", "Horsens", "Kolding", "Vejle"])
ages = ["40-54", "55-59", "60-64", "65-69", "70-74", "75+"]
# E. B. Andersen, "Multiplicative Poisson models with unequal cell rates",
# Scandinavian Journal of Statistics 4 (1977), 153-158: 1968 to 1971
population = np.array(
    [
        [3059, 2879, 3142, 2520],
        [800, 1083, 1050, 878],
        [710, 923, 895, 839],
        [581, 834, 702, 631],
        [509, 634, 535, 539],
        [605, 782, 659, 619],
    ]
)
cases = np.array(
    [
        [11, 13, 4, 5],
        [11, 6, 8, 7],
        [11, 15, 7, 10],
        [10, 10, 11, 14],
        [11, 12, 9, 8],
        [10, 2, 12, 7],
    ]
)

# %%
# A row is an age group, a class is a town, and the soft labels are counts of cases. The
# same rates at all ages have no features, so that the intercepts are all there is.

X = np.zeros((6, 1))
counts = SoftmaxClassifier(C=np.inf, classes=towns)
rates = SoftmaxClassifier(C=np.inf, classes=towns)
counts.fit(X, cases)
rates.fit(X, cases, offset=np.log(population))
relative = {}
for title, model in (("cases", counts), ("rates", rates)):
    relative[title] = np.exp(model.intercept_ - model.intercept_[0])
    said = ", ".join(
        f"{town} {r:.2f}" for town, r in zip(towns, relative[title], strict=True)
    )
    print(f"{title} relative to Fredericia: {said}")

# %%
# Horsens has nearly as many cases as Fredericia, but a third more people above 54, who
# have most of the cases. The relative rates are those of the Poisson regression on town
# and age group, which has six more coefficients.

figure, axis = plt.subplots(figsize=(8, 3.6))
place = np.arange(4)
axis.bar(place - 0.2, relative["cases"], 0.38, label="cases")
axis.bar(place + 0.2, relative["rates"], 0.38, label="rates: with the offset")
axis.axhline(1, color="0.5", linestyle="--", linewidth=1)
axis.set(
    xticks=place, xticklabels=towns, ylabel="relative to Fredericia", ylim=(0, 1.4)
)
axis.legend(ncols=2)
plt.show()

# %%
# Does the pattern change with age? That is a feature. Predictions take the offset too.
# Of a thousand people in each town, the probabilities are the shares of the rates.

age = np.array([[47.0], [57], [62], [67], [72], [80]])
by_age = SoftmaxClassifier(C=1, classes=towns)
by_age.fit((age - 60) / 10, cases, offset=np.log(population))
thousand = np.log(np.full((2, 4), 1000.0))
for years, share in zip(
    (50, 75), by_age.predict_proba([[-1.0], [1.5]], offset=thousand), strict=True
):
    print(
        f"at {years}:", dict(zip(towns.tolist(), share.round(2).tolist(), strict=True))
    )
