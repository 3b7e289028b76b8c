"""
Text with few words: the grouped lasso
======================================

Which words tell six texts apart? The lasso answers for each class by itself. The
grouped lasso answers once: a word is in for all classes or for none, so that the
vocabulary is small and each word's weights can be compared.
"""

import re

import matplotlib.pyplot as plt
import numpy as np
from sklearn import datasets
from sklearn.feature_extraction.text import TfidfVectorizer

from sk_softmax import SoftmaxClassifier

names = ["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"]
texts, labels = [], []
for name in names:
    words = re.findall("[a-z]{3,}", getattr(datasets, f"load_{name}")().DESCR.lower())
    # the data set's own name would be too easy
    words = [w for w in words if w not in {*name.split("_"), "sklearn", "load"}]
    for start in range(0, len(words) - 24, 25):
        texts.append(" ".join(words[start : start + 25]))
        labels.append(name)
labels = np.array(labels)
vectorizer = TfidfVectorizer(stop_words="english")
X = vectorizer.fit_transform(texts)
words = vectorizer.get_feature_names_out()
print(
    f"{X.shape[0]} pieces of 25 words from the descriptions of {len(names)} data sets"
)
print(f"{X.shape[1]} different words")

# %%
# The words that are in, over C. At the same C the grouped lasso has about as many, but
# each in all six classes. (Fifty pieces are too few to compare how right the two are.)

strengths = np.geomspace(1, 5, 9)
used = {"lasso": [], "grouped lasso": []}
for C in strengths:
    for kind, group in (("lasso", None), ("grouped lasso", "class")):
        model = SoftmaxClassifier(C, l1_ratio=1, penalty_group=group).fit(X, labels)
        used[kind].append(
            [(model.coef_ != 0).any(axis=0).sum(), (model.coef_ != 0).sum()]
        )

figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
for (kind, counts), marker in zip(used.items(), "os", strict=True):
    for axis, count in zip(axes, np.transpose(counts), strict=True):
        axis.plot(strengths, count, marker + "-", label=kind)
for axis, title in zip(axes, ("words", "coefficients"), strict=True):
    axis.set(title=title, xlabel="C", ylim=(0, None))
axes[0].legend()
plt.show()

# %%
# The words that enter first, with their weights in all six classes.

model = SoftmaxClassifier(3, l1_ratio=1, penalty_group="class").fit(X, labels)
size = np.linalg.norm(model.coef_, axis=0)
top = size.argsort()[::-1][: min(16, (size > 0).sum())]
figure, axis = plt.subplots(figsize=(8, 5))
largest = np.abs(model.coef_).max()
image = axis.imshow(model.coef_[:, top].T, cmap="PuOr", vmin=-largest, vmax=largest)
axis.set(
    xticks=range(6),
    xticklabels=[name.replace("_", "\n") for name in model.classes_],
    yticks=range(len(top)),
    yticklabels=words[top],
    aspect="auto",
)
figure.colorbar(image, label="weight")
plt.show()
print(f"{(size > 0).sum()} words of {len(size)}, {model.n_iter_[0]} passes")
