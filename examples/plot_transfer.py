"""
Transfer: shrink to what is known
=================================

A model of many digits is there. Then the camera is changed, and the pictures are
blurred half a pixel to the right. A few new pictures do not suffice for a new model,
and the old one is wrong. `coef_prior` shrinks towards the old coefficients instead of
zero.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sk_softmax import SoftmaxClassifier

X, y = load_digits(return_X_y=True)
old, new = np.arange(900), np.arange(900, 1797)
# half of each pixel's ink goes to its right neighbour
images = X[new].reshape(-1, 8, 8)
shifted = (0.5 * images + 0.5 * np.roll(images, 1, axis=2)).reshape(-1, 64)
test = slice(400, None)

C = 0.01
known = SoftmaxClassifier(C).fit(X[old], y[old])
print(f"accuracy before the change: {known.score(X[new], y[new]):.3f}")
print(f"accuracy after it:          {known.score(shifted, y[new]):.3f}")

# %%
# Both models below have the same penalty and the same new pictures. Few pictures may
# lack a digit; `classes` names all of them.

sizes = [20, 40, 80, 160, 320]
loss = {"from nothing": [], "towards the old model": []}
for n in sizes:
    for name, prior in zip(loss, (None, known), strict=True):
        model = SoftmaxClassifier(C, classes=range(10), coef_prior=prior)
        model.fit(shifted[:n], y[new][:n])
        proba = model.predict_log_proba(shifted[test])
        target = y[new][test]
        loss[name].append(-proba[np.arange(len(target)), target].mean())
proba = known.predict_log_proba(shifted[test])
unchanged = -proba[np.arange(len(target)), target].mean()

figure, axis = plt.subplots(figsize=(8, 4))
for (name, values), marker in zip(loss.items(), "os", strict=True):
    axis.plot(sizes, values, marker + "-", label=name)
axis.axhline(unchanged, color="0.5", linestyle="--", linewidth=1, label="the old model")
axis.set(
    xscale="log", ylim=(0, None), xlabel="new pictures", ylabel="log-loss of others"
)
axis.set_xticks(sizes, sizes)
axis.minorticks_off()
axis.legend()
plt.show()

# %%
# In a grid search the known model has to be frozen, for `clone` would make it forget
# its fit: ``coef_prior=FrozenEstimator(known)``, or simply ``known.coef_``.
