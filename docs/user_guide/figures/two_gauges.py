"""One fit in two gauges: coefficients against a class, and summing to zero."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from sk_softmax import SoftmaxClassifier
from sk_softmax.display import CoefficientDisplay
from sk_softmax.inference import infer

X, progress = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = X[["bmi", "bp", "s5"]]
y = np.array(["mild", "moderate", "severe"])[np.digitize(progress, [100, 200])]
result = infer(SoftmaxClassifier(C=np.inf).fit(X, y), X, y)

figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True)
for axis, reference, title in (
    (axes[0], "severe", 'reference="severe"'),
    (axes[1], None, "reference=None: sum to zero"),
):
    CoefficientDisplay.from_inference(
        result, reference=reference, scale=X.std(), ax=axis
    )
    axis.set(title=title, xlabel="coefficient of one\nstandard deviation")
axes[0].get_legend().remove()
