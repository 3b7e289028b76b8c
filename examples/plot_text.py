"""
Text: which words speak for which topic
=======================================

Thirty sentences on three topics, counted into a sparse matrix of words, and the weights
that `SoftmaxClassifier` gives the words.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sk_softmax import SoftmaxClassifier

texts = {
    "cooking": [
        "Simmer the lentils with bay leaves until they are soft",
        "Whisk the eggs with sugar until the cream turns pale",
        "Roast the peppers in a hot oven and peel the skin off",
        "Fold the flour into the butter and let the dough rest",
        "Add a pinch of salt to the dough before you knead it",
        "Fry the onions in butter until they are golden and sweet",
        "A sauce of tomatoes, garlic and basil wants a hot pan",
        "Bake the bread in a hot oven until the crust is brown",
        "Stir the rice while the broth boils and season with salt",
        "Slice the garlic thin and let it melt in warm butter",
    ],
    "weather": [
        "Rain spreads from the west with gusty wind on the coast",
        "Fog in the valleys clears slowly in the morning sun",
        "A cold front brings snow down to the valleys tonight",
        "Warm wind from the south melts the snow on the hills",
        "Clouds thicken in the evening and rain follows at night",
        "Frost is likely tonight where the sky stays clear",
        "Thunder and hail are possible over the hills by evening",
        "The storm moves east and the wind drops on the coast",
        "Sun and showers take turns, with a cold wind from the north",
        "High pressure keeps the sky clear and the night cold",
    ],
    "football": [
        "The keeper saved a penalty in the last minute of the match",
        "The striker scored twice before half time",
        "A late goal sent the home fans wild",
        "The referee showed a red card after a hard tackle",
        "The coach changed the defence at half time",
        "They won the cup final on penalties after extra time",
        "The midfielder passed to the striker, who hit the post",
        "The captain missed the match with a knee injury",
        "Two goals in the second half turned the match around",
        "The fans sang until the final whistle of the match",
    ],
}
sentences = [sentence for topic in texts.values() for sentence in topic]
topics = np.repeat(list(texts), [len(topic) for topic in texts.values()])

# %%
# The words that occur become columns, nearly all entries of which are zero. The
# estimator reads the sparse matrix as it is.

model = make_pipeline(TfidfVectorizer(stop_words="english"), SoftmaxClassifier(C=100))
model.fit(sentences, topics)
words, classifier = model[0].get_feature_names_out(), model[-1]
print(f"{len(sentences)} sentences, {len(words)} words, {classifier.n_iter_[0]} passes")
accuracy = cross_val_score(model, sentences, topics, cv=5)
print(f"right on sentences that it has not seen: {accuracy.mean():.0%}")

# %%
# The greatest weights of each topic. What a weight says is a comparison: ``butter``
# speaks for cooking rather than for football or the weather.

figure, axes = plt.subplots(1, 3, figsize=(8, 3.6), sharex=True)
for k, axis in enumerate(axes):
    top = classifier.coef_[k].argsort()[-8:]
    axis.barh(words[top], classifier.coef_[k, top], color=f"C{k}")
    axis.set(title=classifier.classes_[k], xlabel="weight")
plt.show()

# %%
# New sentences. The model knows no word of the last, which leaves the intercepts: the
# topics' frequencies, nearly.

for sentence in [
    "Let the sauce simmer with garlic and salt",
    "The wind turns and brings rain by night",
    "The striker missed a penalty",
    "Quantum chromodynamics",
]:
    proba = model.predict_proba([sentence])[0]
    said = ", ".join(
        f"{topic} {p:.2f}" for topic, p in zip(model.classes_, proba, strict=True)
    )
    print(f"{sentence}: {said}")
