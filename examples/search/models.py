"""The models: a vector for each text, and how well texts answer a query."""

import re
from importlib.resources import files

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from aylien_model_serving import Model

_SHORTEST, _DIMENSIONS = 200, 64


def passages() -> list[str]:
    """Return the longer paragraphs of the descriptions."""
    folder = files("sklearn.datasets") / "descr"
    texts = [file.read_text() for file in sorted(folder.iterdir(), key=str) if file.name.endswith(".rst")]
    paragraphs = [" ".join(part.split()) for text in texts for part in re.split(r"\n\s*\n", text)]
    return [each for each in paragraphs if len(each) >= _SHORTEST]


class Embed:
    """Latent semantic analysis, fitted on the passages when a replica starts."""

    def __init__(self) -> None:
        self.pipeline = make_pipeline(
            TfidfVectorizer(sublinear_tf=True, stop_words="english"),
            TruncatedSVD(_DIMENSIONS, random_state=0),
            Normalizer(copy=False),
        ).fit(passages())

    def __call__(self, text: list[str]) -> list[np.ndarray]:
        """Return a vector of unit length for each text."""
        return list(self.pipeline.transform(text).astype("f4"))


class Rank:
    """Compares the letters of texts, so that a word and its plural are alike."""

    def __init__(self) -> None:
        self.vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5)).fit(passages())

    def __call__(self, query: str, texts: list[str]) -> list[float]:
        """Return a number for each text: the higher, the better it answers the query."""
        vectors = self.vectorizer.transform([query, *texts])
        return [float(score) for score in (vectors[1:] @ vectors[0].T).toarray()[:, 0]]


embed = Model(Embed, name="embed", batch={"max_size": 64})
rank = Model(Rank, name="rank")
