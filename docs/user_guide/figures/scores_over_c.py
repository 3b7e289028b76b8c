"""Minus log-loss over C, its standard error, and the two choices."""

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine

from sk_softmax import SoftmaxClassifierCV
from sk_softmax.display import CVScoreDisplay

X, y = load_wine(return_X_y=True)
model = SoftmaxClassifierCV(Cs=20, l1_ratios=[1.0]).fit(X, y)
figure, axis = plt.subplots(figsize=(8, 3.6))
CVScoreDisplay.from_estimator(model, score_name="minus log-loss", ax=axis)
plt.show()
