"""
Choosing C: the path and the folds
==================================

Which features of the 178 wines come into the lasso as the penalty weakens, and at which
C does it predict wines best that it has not seen?
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine

from sk_softmax import SoftmaxClassifierCV, softmax_path
from sk_softmax.display import CVScoreDisplay, PathDisplay

wine = load_wine()
X, y = wine.data, wine.target
names = [name.split("_of_diluted")[0].replace("_", " ") for name in wine.feature_names]

# %%
# The path: 60 fits, each starting at the last one's optimum, from the C at which all
# coefficients are zero. A curve is the norm of a feature's coefficients over the
# classes: small, and grey here, for features in large units, which come in first.
path = softmax_path(X, y, Cs=60, l1_ratio=1.0)
PathDisplay.from_path(path, feature_names=names)
plt.show()

# %%
# Five folds judge the same Cs by the log-loss. The smallest C within a standard error
# of the best has fewer features.
model = SoftmaxClassifierCV(path.Cs, l1_ratios=[1.0], selection="1se").fit(X, y)
CVScoreDisplay.from_estimator(model, score_name="minus log-loss")
plt.show()

# %%
# What is left of the 13:
used = (model.coef_ != 0).any(axis=0)
for name, is_used in zip(names, used, strict=True):
    if is_used:
        print(name)
