"""Search in the descriptions of scikit-learn's data sets: two models that a handler calls."""
