"""Writes knn.json: neighbours and accuracies by scikit-learn, for crates/probes/tests/knn.rs.

    python crates/probes/tests/sklearn/generate.py

Features come from a formula of integers that the test repeats, so that the file holds results alone.
"""

import json
import pathlib

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

TRAIN, TEST, COLUMNS, CLASSES, K, TEMPERATURE = 700, 90, 24, 7, 25, 0.07


def features(rows, seed):
    """Values of a linear congruential generator, shifted by the class."""
    labels = np.arange(rows) % CLASSES
    values = np.empty((rows, COLUMNS), np.float32)
    state = seed
    for row in range(rows):
        for column in range(COLUMNS):
            state = (state * 1664525 + 1013904223) % 2**32
            shift = 3000 if column % CLASSES == labels[row] else 0
            values[row, column] = (state >> 16) % 10000 - 5000 + shift
    return values, labels


def main():
    (train, train_labels), (test, test_labels) = features(TRAIN, 1), features(TEST, 2)
    search = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine").fit(train.astype(np.float64))
    distances, indices = search.kneighbors(test.astype(np.float64))

    def vote(distances):
        return np.exp((1 - distances) / TEMPERATURE)

    classifier = KNeighborsClassifier(K, algorithm="brute", metric="cosine", weights=vote)
    classifier.fit(train.astype(np.float64), train_labels)
    shares = classifier.predict_proba(test.astype(np.float64))
    ranking = np.argsort(-shares, axis=1, kind="stable")
    top1 = 100 * float(np.mean(ranking[:, 0] == test_labels))
    top5 = 100 * float(np.mean((ranking[:, :5] == test_labels[:, None]).any(1)))
    gaps = np.diff(distances, axis=1).min()
    print(f"smallest gap between neighbours {gaps:.1e}, top-1 {top1}, top-5 {top5}")
    case = {
        "k": K,
        "temperature": TEMPERATURE,
        "top1": top1,
        "top5": top5,
        "indices": indices.tolist(),
        "similarities": np.round(1 - distances[:, 0], 7).tolist(),
    }
    path = pathlib.Path(__file__).with_name("knn.json")
    path.write_text(json.dumps(case, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
