"""Probabilities along the body mass index, and marginal effects as tangents."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from sk_softmax import SoftmaxClassifier
from sk_softmax.display import ProbabilityDisplay
from sk_softmax.inference import marginal_effects

X, progress = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = X[["age", "sex", "bmi", "bp", "s5"]]
y = np.array(["mild", "moderate", "severe"])[np.digitize(progress, [100, 200])]
model = SoftmaxClassifier(C=np.inf).fit(X, y)

figure, axis = plt.subplots(figsize=(8, 3.8))
ProbabilityDisplay.from_estimator(model, X, "bmi", ax=axis)
row = X.mean().to_frame().T
for at in (row["bmi"][0], 35.0):
    row["bmi"] = at
    slopes = marginal_effects(model, X, features=["bmi"], at={"bmi": at})["effect"]
    for p, slope in zip(model.predict_proba(row)[0], slopes, strict=True):
        reach = np.array([-3, 3])
        axis.plot(at + reach, p + slope * reach, color="0.3", linewidth=1)
        axis.plot(at, p, "o", color="0.3", markersize=5)
axis.set_xlabel("body mass index (ticks: deciles of the patients)")
