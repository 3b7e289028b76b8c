"""
Coefficients, and what they do to probabilities
===============================================

Which patients' diabetes gets worse in a year? A fit without a penalty, its coefficients
with intervals, and the effects of the features on the probability of each outcome.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from sk_softmax import SoftmaxClassifier
from sk_softmax.display import CoefficientDisplay, ProbabilityDisplay
from sk_softmax.inference import infer, marginal_effects

X, progress = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
names = {"bmi": "body mass index", "bp": "blood pressure", "s5": "log triglycerides"}
X = X[["age", "sex", *names]].rename(columns=names)
y = np.array(["mild", "moderate", "severe"])[np.digitize(progress, [100, 200])]
model = SoftmaxClassifier(C=np.inf).fit(X, y)
result = infer(model, X, y)

# %%
# The coefficients compare each class with a reference. In units of each feature's
# spread they can be compared with each other too.

CoefficientDisplay.from_inference(result, reference="mild", scale=X.std())
plt.show()
for name in X:
    print(f"{name:18} p = {result.wald_test(name).p_value:.2g}")

# %%
# How the probabilities move along a feature, the others at their means. The ticks are
# the deciles of the patients.

ProbabilityDisplay.from_estimator(model, X, "log triglycerides")
plt.show()

# %%
# The middle class rises and falls, so its coefficient says little of its probability.
# The average marginal effects do: the mean slope over the patients. Sex has two values,
# so that its effect is a difference.

effects = marginal_effects(model, X, discrete=["sex"], result=result)
scale = np.where(X.columns == "sex", 1, X.std())
shape = len(model.classes_), X.shape[1]
effect, lower, upper = (
    100 * effects[column].to_numpy().reshape(shape) * scale
    for column in ("effect", "lower", "upper")
)
CoefficientDisplay(
    effect,
    classes=model.classes_,
    feature_names=list(X),
    lower=lower,
    upper=upper,
    label="Percentage points for one standard deviation (of sex: the difference)",
).plot()
plt.show()
